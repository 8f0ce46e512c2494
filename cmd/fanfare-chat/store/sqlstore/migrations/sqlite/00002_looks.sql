-- look and plain have in common what looks the same: a name as it is shown, and as it is
-- compared. They are null where names that looked the same were there before. Those of
-- rooms are of open ones only. What they are is filled in by the next migration.

-- +goose Up
ALTER TABLE users ADD COLUMN look TEXT;
ALTER TABLE users ADD COLUMN plain TEXT;
CREATE UNIQUE INDEX users_look ON users (look);
CREATE UNIQUE INDEX users_plain ON users (plain);

ALTER TABLE rooms ADD COLUMN look TEXT;
ALTER TABLE rooms ADD COLUMN plain TEXT;
CREATE UNIQUE INDEX rooms_look ON rooms (look);
CREATE UNIQUE INDEX rooms_plain ON rooms (plain);

CREATE INDEX logins_owner ON logins (owner, created, hash);
