package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations
var migrations embed.FS

// migrate brings the database's tables to the version that this program knows. Of several
// processes that start with one PostgreSQL one does it, and the others wait.
func migrate(ctx context.Context, d *dialect, db *sql.DB) error {
	files, err := fs.Sub(migrations, d.migrations)
	if err != nil {
		return err
	}
	options := []goose.ProviderOption{
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()),
		goose.WithGoMigrations(goose.NewGoMigration(3, &goose.GoFunc{RunTx: d.backfill}, nil)),
	}
	if d.name == goose.DialectPostgres {
		// A second, 3,600 times: to find the words of all messages takes minutes in a large database.
		one, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 3600))
		if err != nil {
			return err
		}
		options = append(options, goose.WithSessionLocker(one))
	}
	provider, err := goose.NewProvider(d.name, db, files, options...)
	if err != nil {
		return err
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("its tables cannot be brought up to date: %w", err)
	}
	current, known, err := provider.GetVersions(ctx)
	if err != nil {
		return err
	}
	if current > known {
		return fmt.Errorf("its tables are of version %d, and this program knows those up to %d: a newer one is needed", current, known)
	}
	return nil
}
