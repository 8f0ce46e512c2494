package systemd

import (
	"testing"

	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

func TestMain(m *testing.M) { netpolltest.Main(m) }
