-- Times are in milliseconds since 1970; 0 stands for no time.

-- +goose Up
CREATE TABLE users (
	id        INTEGER PRIMARY KEY,
	name      TEXT    NOT NULL,
	key       TEXT    NOT NULL UNIQUE,
	password  TEXT    NOT NULL,
	moderator BOOLEAN NOT NULL,
	created   INTEGER NOT NULL
);

CREATE TABLE logins (
	hash    BLOB    PRIMARY KEY,
	owner   INTEGER NOT NULL REFERENCES users,
	created INTEGER NOT NULL,
	expires INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX logins_expires ON logins (expires);

-- low and high are the two users of a direct room.
CREATE TABLE rooms (
	id      INTEGER PRIMARY KEY,
	kind    INTEGER NOT NULL,
	name    TEXT    NOT NULL,
	key     TEXT    NOT NULL,
	owner   INTEGER NOT NULL REFERENCES users,
	created INTEGER NOT NULL,
	last    INTEGER NOT NULL DEFAULT 0,
	rev     INTEGER NOT NULL DEFAULT 0,
	low     INTEGER REFERENCES users,
	high    INTEGER REFERENCES users
);
CREATE UNIQUE INDEX rooms_open ON rooms (key) WHERE kind = 1;
CREATE UNIQUE INDEX rooms_direct ON rooms (low, high) WHERE kind = 3;

-- key is a copy of the user's key, which never changes. The members of a room are paged by it.
CREATE TABLE members (
	member INTEGER NOT NULL REFERENCES users,
	room   INTEGER NOT NULL REFERENCES rooms,
	key    TEXT    NOT NULL,
	read   INTEGER NOT NULL,
	PRIMARY KEY (member, room)
) WITHOUT ROWID;
CREATE UNIQUE INDEX members_key ON members (room, key);

-- The messages of a room are adjacent, so a page of them takes a few pages of the file.
CREATE TABLE messages (
	room    INTEGER NOT NULL REFERENCES rooms,
	number  INTEGER NOT NULL,
	rev     INTEGER NOT NULL,
	author  INTEGER NOT NULL REFERENCES users,
	client  TEXT    NOT NULL,
	text    TEXT    NOT NULL,
	sent    INTEGER NOT NULL,
	edited  INTEGER NOT NULL DEFAULT 0,
	deleted BOOLEAN NOT NULL DEFAULT FALSE,
	PRIMARY KEY (room, number)
) WITHOUT ROWID;
CREATE UNIQUE INDEX messages_rev ON messages (room, rev);
CREATE UNIQUE INDEX messages_client ON messages (room, author, client);

-- The program supplies the words already split and folded, separated by spaces. The tokenizer ascii
-- does not change them.
-- rowid is room << 32 | number.
CREATE VIRTUAL TABLE search USING fts5 (
	words, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii'
);
