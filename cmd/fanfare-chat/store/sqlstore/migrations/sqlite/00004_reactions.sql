-- reactions are in the form of store.Reactions.

-- +goose Up
ALTER TABLE messages ADD COLUMN reactions TEXT NOT NULL DEFAULT '';
