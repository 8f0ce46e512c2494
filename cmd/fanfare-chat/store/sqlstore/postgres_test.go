package sqlstore_test

import (
	"testing"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store/storetest"
)

func TestPostgres(t *testing.T) {
	server := storetest.Postgres(t)
	storetest.Run(t, func(t testing.TB) storetest.Setup { return setup(t, server.Database(t)) })
}
