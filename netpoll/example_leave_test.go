package netpoll_test

import "github.com/fanfare-ws/fanfare/netpoll"

func ExampleConn_Leave() {
	_ = func(conn *netpoll.Conn, other *netpoll.Engine, newHandler netpoll.Handler) {
		conn.Leave(func(s *netpoll.State, err error) {
			if err == nil {
				err = other.Enter(s, newHandler) // OnOpen comes first, as for every Handler
			}
		})
	}
}
