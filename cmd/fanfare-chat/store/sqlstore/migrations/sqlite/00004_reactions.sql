-- reactions has the format of store.Reactions.

-- +goose Up
ALTER TABLE messages ADD COLUMN reactions TEXT NOT NULL DEFAULT '';
