// Package store says what the chat keeps, and how it is asked for. Package sqlstore has
// it in SQLite or PostgreSQL; package storetest has the tests that every Store has to pass.
//
// # Order
//
// A room counts its changes: a message that is sent, edited, deleted or reacted to gets the room's
// next revision, and a new one the next number as well. Both begin with 1 and have no
// gaps. So who has seen all up to a revision asks for those after it, and gets each
// message that is new or different once, as it is now; that is what a client does that
// was away. Numbers are the order in which messages stand, for pages of history.
//
// # Time
//
// The clock is an argument, where a change has a time of its own. Times are kept in
// milliseconds, and come back in UTC.
package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Errors of a Store. What is returned wraps them.
var (
	ErrNotFound   = errors.New("store: there is no such thing")
	ErrTaken      = errors.New("store: that name is taken")
	ErrConfusable = fmt.Errorf("%w by one that looks the same", ErrTaken)
	ErrForbidden  = errors.New("store: not allowed")
)

// User is an account.
type User struct {
	ID        int64
	Name      string // as it is shown
	Key       string // as it is compared: no two users have the same
	Password  string // its hash, in the form of argon2id
	Moderator bool
	Created   time.Time
}

// Login is a session of a user's. The token that the client has is not kept.
type Login struct {
	Hash    [32]byte // SHA-256 of the token
	User    int64
	Created time.Time
	Expires time.Time
}

// Kind says who can be in a room.
type Kind int8

const (
	Open    Kind = 1 // everybody can join
	Private Kind = 2 // members invite others
	Direct  Kind = 3 // two users, for good
)

// Room is where people talk.
type Room struct {
	ID      int64
	Kind    Kind
	Name    string // as it is shown; empty if Direct
	Key     string // as it is compared: no two open rooms have the same; else without meaning
	Owner   int64  // the user who made it
	Created time.Time
	Last    int64 // number of the last message; 0 if there is none
	Rev     int64 // the last revision
}

// Membership is a room of a user's.
type Membership struct {
	Room
	Read int64 // number of the last message that the user has seen: Last-Read are unread
	With User  // the other one, if Direct: ID and Name
}

// Message is what was said.
type Message struct {
	Room     int64
	Number   int64 // in its room, from 1
	Rev      int64 // the room's revision when it was last changed
	Author   int64
	Name     string // the author's, as it is shown
	ClientID string // the name that the client gave it: see Change
	Text     string // empty if Deleted
	Sent     time.Time
	Edited   time.Time // the last time; zero if never
	Deleted  bool      // a trace of it is left: all but the text and the reactions

	Reactions Reactions
}

// Op is what a Change does.
type Op int8

const (
	Send Op = iota + 1
	Edit
	Delete
	React   // puts a sign on a message
	Unreact // takes it away again
)

// Change is something that a user wants to do to a room's messages.
type Change struct {
	Op       Op
	Room     int64
	User     int64
	ClientID string    // Send: the client's own name for it. One that this user has sent to the room already is not sent again
	Number   int64     // Edit, Delete, React, Unreact: which message
	Text     string    // Send, Edit; React, Unreact: the sign
	At       time.Time // when
}

// Outcome is what became of a Change.
type Outcome struct {
	Message   Message // as it is now, if Err is nil
	Unchanged bool    // nothing changed: it was sent before, or is as it was to be
	Err       error   // ErrForbidden or ErrNotFound, wrapped, and nothing changed
}

// Store keeps accounts, rooms and messages. Its methods are safe from any goroutine. An
// error that wraps none of this package's is the database's own, and nothing has changed.
// What a method has returned is kept from then on, whatever happens to the process or the
// machine. Limits have to be positive; more says that there is more than the limit.
type Store interface {
	// AddUser adds an account, and returns it with its ID; ErrTaken if there is one with
	// that Key, and ErrConfusable, which wraps it, if the name or the key looks the same as that
	// of another (package text, Skeleton). The first user of a store is a moderator.
	AddUser(ctx context.Context, u User) (User, error)
	// UserByKey returns the account with that Key, or ErrNotFound.
	UserByKey(ctx context.Context, key string) (User, error)

	// AddLogin adds a session. A user has as many as most: beyond that the oldest of the others are
	// removed, and returned.
	AddLogin(ctx context.Context, l Login, most int) (ended []Login, err error)
	// Login returns a session that has not expired at that time, and whose it is, or
	// ErrNotFound.
	Login(ctx context.Context, hash [32]byte, now time.Time) (Login, User, error)
	// RemoveLogin ends a session; ErrNotFound if there is none.
	RemoveLogin(ctx context.Context, hash [32]byte) error
	// SetPassword gives a user another password, if was is theirs now, and ends all their
	// sessions but keep, and returns those; else ErrNotFound.
	SetPassword(ctx context.Context, user int64, was, password string, keep [32]byte) (ended []Login, err error)
	// ExpireLogins removes those that have expired, and returns them.
	ExpireLogins(ctx context.Context, now time.Time) ([]Login, error)

	// AddRoom makes an open or private room, whose owner is its first member; ErrTaken if
	// there is an open one with that Key, or that looks the same, and this is to be open
	// too.
	AddRoom(ctx context.Context, r Room) (Room, error)
	// DirectRoom returns the room of two users, which is made if there is none; made says
	// so. A user can have one with themselves. ErrNotFound if one of them does not exist.
	DirectRoom(ctx context.Context, a, b int64, now time.Time) (r Room, made bool, err error)
	// OpenRooms returns open rooms by Key, those after one.
	OpenRooms(ctx context.Context, after string, limit int) (rooms []Room, more bool, err error)
	// Join makes a user a member of an open room; ErrNotFound if there is no such room, or
	// it is not open. Who is in it already stays. All that was said before counts as read.
	Join(ctx context.Context, room, user int64) (Membership, error)
	// Invite makes user a member of a private or open room that by is in: ErrNotFound if by
	// is in no such room, ErrForbidden if it is direct. Who is in it already stays, and
	// added is false.
	Invite(ctx context.Context, room, by, user int64) (added bool, err error)
	// Leave ends the membership; ErrNotFound if there is none, ErrForbidden in a direct
	// room. A private room that nobody is in any more cannot be reached again.
	Leave(ctx context.Context, room, user int64) error
	// Membership returns one room of a user's, or ErrNotFound if they are not in it.
	Membership(ctx context.Context, room, user int64) (Membership, error)
	// Memberships returns all rooms of a user's, by ID.
	Memberships(ctx context.Context, user int64) ([]Membership, error)
	// Counts returns how many members a room has, and how many rooms a user is in.
	Counts(ctx context.Context, room, user int64) (members, rooms int, err error)
	// Members returns who is in a room, ID, Name and Key, by Key, those after one.
	Members(ctx context.Context, room int64, after string, limit int) (users []User, more bool, err error)
	// MarkRead says that a user has seen all up to a message, and returns up to which one
	// they have: that never goes back, nor beyond the last. ErrNotFound if they are not in
	// the room.
	MarkRead(ctx context.Context, room, user, number int64) (read int64, err error)

	// Apply makes changes, in their order and all at once: outcomes are those of the changes
	// at the same places. Only members change anything. Who sends has read all so far, and
	// what they sent. Only its author edits a message, and only its author, or a moderator
	// who is a member, deletes it; what is deleted stays so: to edit it, or to react to it, is ErrNotFound.
	// A message has at most MaxReactions; one more is ErrForbidden.
	Apply(ctx context.Context, changes []Change) ([]Outcome, error)
	// MessagesBefore returns the last messages of a room whose number is below that, in their order.
	// 0 stands for the end.
	MessagesBefore(ctx context.Context, room, number int64, limit int) (messages []Message, more bool, err error)
	// MessagesChangedAfter returns the messages whose Rev is above that, by Rev.
	MessagesChangedAfter(ctx context.Context, room, rev int64, limit int) (messages []Message, more bool, err error)
	// Search returns the messages of a room in which all words stand, or begin a word, in
	// any order and case, latest first, those whose number is below that; 0 stands for the
	// end. A query without any letter or digit finds nothing.
	Search(ctx context.Context, room int64, query string, below int64, limit int) (messages []Message, more bool, err error)

	// Close ends it; no other method is to be called any more.
	Close() error
}
