package sqlstore_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store/sqlstore"
	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store/storetest"
	"github.com/fanfare-ws/fanfare/netpoll/netpolltest"
)

func TestMain(m *testing.M) { netpolltest.Main(m) }

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(t testing.TB) storetest.Setup {
		file := filepath.Join(t.TempDir(), "made for it", "what? 100% #1.db")
		return setup(t, file)
	})
}

func setup(t testing.TB, where string) storetest.Setup {
	open := func(t testing.TB) store.Store {
		s, err := sqlstore.Open(context.Background(), where)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	return storetest.Setup{Store: open(t), Reopen: open}
}
