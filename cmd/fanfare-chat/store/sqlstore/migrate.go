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

// migrate updates the tables to the version of this program. If several processes start on one PostgreSQL
// database, one of them does it and the others wait.
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
		// 3,600 attempts, one per second: indexing all messages of a large database takes minutes.
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
		return fmt.Errorf("cannot update the tables: %w", err)
	}
	current, known, err := provider.GetVersions(ctx)
	if err != nil {
		return err
	}
	if current > known {
		return fmt.Errorf("the tables have version %d, and this program supports versions up to %d; use a newer program", current, known)
	}
	return nil
}
