package wsproto

import "github.com/fanfare-ws/fanfare/netpoll"

// Task is work that runs on the workers of one loop: see Server.InitTask.
type Task = netpoll.Task

// NewTask returns a task that runs on the workers of loop n: see
// netpoll.Engine.NewTask.
func (s *Server) NewTask(n int, run func()) (*Task, error) {
	if err := s.begin(); err != nil {
		return nil, err
	}
	return s.engine.NewTask(n, run), nil
}

// InitTask is NewTask for a task that is a field of a larger value, for example of r. t must
// be zero. See netpoll.Task.Init.
func (s *Server) InitTask(t *Task, n int, r interface{ Run() }) error {
	if err := s.begin(); err != nil {
		return err
	}
	t.Init(s.engine, n, r)
	return nil
}

// Loops returns the number of event loops: Conn.Loop is below it.
func (s *Server) Loops() int {
	if s.begin() != nil {
		return 1
	}
	return s.engine.Loops()
}
