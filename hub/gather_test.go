package hub

import (
	"testing"
	"time"
)

type countedTask struct{ scheduled chan struct{} }

func (t countedTask) Schedule() { t.scheduled <- struct{}{} }

// A walk right after another waits once, for a part of what that took, and is
// scheduled again; one after a rest does not wait.
func TestGathering(t *testing.T) {
	task := countedTask{make(chan struct{}, 10)}
	var w gathering
	now := time.Now()
	if w.pause(task, now) {
		t.Fatal("the first walk waits")
	}
	w.began = now.Add(-80 * time.Millisecond)
	w.walked()
	soon := w.ended.Add(time.Millisecond)
	if !w.pause(task, soon) || !w.pause(task, soon.Add(gatherMost/2)) {
		t.Fatal("a walk after a long one does not wait")
	}
	<-task.scheduled
	if w.pause(task, soon.Add(gatherMost)) {
		t.Fatal("it waits twice")
	}
	w.began = soon
	w.walked()
	if w.pause(task, w.ended.Add(w.took+1)) {
		t.Fatal("a walk after a rest waits")
	}
	if len(task.scheduled) > 0 {
		t.Fatal("scheduled more than once")
	}
}

// Messages that are published while a large group gathers go out in one write.
func TestBurstGoesOutTogether(t *testing.T) {
	var m manual
	h := New(Options{NewTask: m.newTask})
	all := make([]fake, gatherFrom)
	for i := range all {
		all[i].join(t, h, "x")
	}
	g := all[0].sub.group
	publish(t, h, "x", 0)
	m.runAll()
	g.gather.until = time.Now().Add(time.Hour)
	for i := range uint64(20) {
		publish(t, h, "x", 1+i)
		m.runAll()
	}
	if n := len(all[0].received()); n != 1 {
		t.Fatalf("it got %d messages while the group gathers, want 1", n)
	}
	g.gather.until = time.Now()
	g.task.Schedule()
	m.runAll()
	if n := len(all[0].received()); n != 21 || all[0].writes != 2 {
		t.Errorf("%d messages came in %d writes, want 21 in 2", n, all[0].writes)
	}
}

// A group that has shrunk walks at once, and has forgotten how long walks took when it
// has grown again.
func TestSmallGroupsDoNotGather(t *testing.T) {
	var m manual
	h := New(Options{NewTask: m.newTask})
	h.gatherFrom = 2
	a, b := new(fake).join(t, h, "x"), new(fake).join(t, h, "x")
	publish(t, h, "x", 1)
	m.runAll()
	b.sub.Unsubscribe()
	publish(t, h, "x", 2)
	m.runAll()
	new(fake).join(t, h, "x")
	publish(t, h, "x", 3)
	m.runAll()
	if n := len(a.received()); n != 3 {
		t.Errorf("it got %d messages of 3", n)
	}
}
