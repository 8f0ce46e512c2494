-- Times are in milliseconds since 1970; 0 stands for no time.

-- +goose Up
CREATE TABLE users (
	id        BIGINT  PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	name      TEXT    NOT NULL,
	key       TEXT    NOT NULL COLLATE "C" UNIQUE,
	password  TEXT    NOT NULL,
	moderator BOOLEAN NOT NULL,
	created   BIGINT  NOT NULL
);

CREATE TABLE logins (
	hash    BYTEA   PRIMARY KEY,
	owner   BIGINT  NOT NULL REFERENCES users,
	created BIGINT  NOT NULL,
	expires BIGINT  NOT NULL
);
CREATE INDEX logins_expires ON logins (expires);

-- low and high are the two users of a direct room.
CREATE TABLE rooms (
	id      BIGINT   PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	kind    SMALLINT NOT NULL,
	name    TEXT     NOT NULL,
	key     TEXT     NOT NULL COLLATE "C",
	owner   BIGINT   NOT NULL REFERENCES users,
	created BIGINT   NOT NULL,
	last    BIGINT   NOT NULL DEFAULT 0,
	rev     BIGINT   NOT NULL DEFAULT 0,
	low     BIGINT   REFERENCES users,
	high    BIGINT   REFERENCES users
);
CREATE UNIQUE INDEX rooms_open ON rooms (key) WHERE kind = 1;
CREATE UNIQUE INDEX rooms_direct ON rooms (low, high) WHERE kind = 3;

-- key is a copy of the user's key, which never changes. The members of a room are paged by it.
CREATE TABLE members (
	member BIGINT NOT NULL REFERENCES users,
	room   BIGINT NOT NULL REFERENCES rooms,
	key    TEXT   NOT NULL COLLATE "C",
	read   BIGINT NOT NULL,
	PRIMARY KEY (member, room)
);
CREATE UNIQUE INDEX members_key ON members (room, key);

CREATE TABLE messages (
	room    BIGINT  NOT NULL REFERENCES rooms,
	number  BIGINT  NOT NULL,
	rev     BIGINT  NOT NULL,
	author  BIGINT  NOT NULL REFERENCES users,
	client  TEXT    NOT NULL COLLATE "C",
	text    TEXT    NOT NULL,
	sent    BIGINT  NOT NULL,
	edited  BIGINT  NOT NULL DEFAULT 0,
	deleted BOOLEAN NOT NULL DEFAULT FALSE,
	PRIMARY KEY (room, number)
);
CREATE UNIQUE INDEX messages_rev ON messages (room, rev);
CREATE UNIQUE INDEX messages_client ON messages (room, author, client);

-- The program supplies the words as lexemes, already split and folded.
-- rowid is room << 32 | number.
CREATE TABLE search (
	rowid BIGINT   PRIMARY KEY,
	words TSVECTOR NOT NULL
);
CREATE INDEX search_words ON search USING GIN (words);
