-- look and plain are the skeletons of the name and of the key: names that look the same have the same
-- skeleton. They are null where an older name has the same one, and for rooms that are not open. The next
-- migration fills them in.

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
