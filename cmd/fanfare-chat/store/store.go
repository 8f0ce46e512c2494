// Package store defines the interface to the chat's database. Package sqlstore implements it for SQLite
// and PostgreSQL, and package storetest has the tests that every Store must pass.
//
// # Order
//
// A room counts its changes: a message that is sent, edited, deleted or reacted to gets the room's next
// revision, and a new message also gets the next number. Both start at 1 and have no gaps. A client that
// was offline requests the messages after the last revision that it has seen, and so gets each new or
// changed message once, in its present form. Numbers are the order of the messages, for pages of history.
//
// # Time
//
// The clock is an argument wherever a change has a time. Times are stored in milliseconds, and returned
// in UTC.
package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Errors of a Store; returned errors wrap them.
var (
	ErrNotFound   = errors.New("store: not found")
	ErrTaken      = errors.New("store: the name is already taken")
	ErrConfusable = fmt.Errorf("%w by one that looks the same", ErrTaken)
	ErrForbidden  = errors.New("store: not permitted")
)

// User is an account.
type User struct {
	ID        int64
	Name      string // for display
	Key       string // for comparison, unique among users
	Password  string // the argon2id hash
	Moderator bool
	Created   time.Time
}

// Login is a login of a user. The store does not have the client's token.
type Login struct {
	Hash    [32]byte // SHA-256 of the token
	User    int64
	Created time.Time
	Expires time.Time
}

// Kind determines who can become a member of a room.
type Kind int8

const (
	Open    Kind = 1 // anyone can join
	Private Kind = 2 // members invite others
	Direct  Kind = 3 // two users, permanently
)

// Room is a chat room.
type Room struct {
	ID      int64
	Kind    Kind
	Name    string // for display; empty if Direct
	Key     string // for comparison, unique among open rooms; not used for other kinds
	Owner   int64  // the user who created it
	Created time.Time
	Last    int64 // number of the last message; 0 if there is none
	Rev     int64 // the last revision
}

// Membership is a room, seen by one of its members.
type Membership struct {
	Room
	Read int64 // number of the last message that the member has read; Last-Read messages are unread
	With User  // the other member, if Direct: ID and Name
}

// Message is a message in a room.
type Message struct {
	Room     int64
	Number   int64 // in its room, from 1
	Rev      int64 // the room's revision when it was last changed
	Author   int64
	Name     string // the author's, for display
	ClientID string // the name that the client gave it: see Change
	Text     string // empty if Deleted
	Sent     time.Time
	Edited   time.Time // the last time; zero if never
	Deleted  bool      // the text and the reactions are deleted, and the rest is kept

	Reactions Reactions
}

// Op is the kind of a Change.
type Op int8

const (
	Send Op = iota + 1
	Edit
	Delete
	React   // adds a reaction to a message
	Unreact // removes it
)

// Change is a change that a user wants to make to the messages of a room.
type Change struct {
	Op       Op
	Room     int64
	User     int64
	ClientID string    // Send: the client's own name for it. One that this user has sent to the room already is not sent again
	Number   int64     // Edit, Delete, React, Unreact: which message
	Text     string    // Send, Edit; React, Unreact: the sign
	At       time.Time // when
}

// Outcome is the result of a Change.
type Outcome struct {
	Message   Message // as it is now, if Err is nil
	Unchanged bool    // nothing changed: it was sent before, or is as it was to be
	Err       error   // ErrForbidden or ErrNotFound, wrapped, and nothing changed
}

// Store stores accounts, rooms and messages. Its methods may be called from any goroutine. An error that
// wraps none of the errors of this package comes from the database, and nothing has changed. Once a
// method has returned, its changes survive a crash of the process or the machine. A limit must be
// positive; more reports whether there are further results.
type Store interface {
	// AddUser adds an account, and returns it with its ID. The error is ErrTaken if an account has
	// that Key, and ErrConfusable, which wraps ErrTaken, if the name or the key looks the same as
	// that of another account (text.Skeleton). The first user of a store becomes a moderator.
	AddUser(ctx context.Context, u User) (User, error)
	// UserByKey returns the account with that Key, or ErrNotFound.
	UserByKey(ctx context.Context, key string) (User, error)

	// AddLogin adds a login. If the user then has more than most logins, it removes the oldest of
	// the others and returns them.
	AddLogin(ctx context.Context, l Login, most int) (ended []Login, err error)
	// Login returns a login that has not expired at that time, and its user, or ErrNotFound.
	Login(ctx context.Context, hash [32]byte, now time.Time) (Login, User, error)
	// RemoveLogin removes a login, or returns ErrNotFound.
	RemoveLogin(ctx context.Context, hash [32]byte) error
	// SetPassword replaces the password hash of a user, if it is was, or returns ErrNotFound. It
	// removes all logins of the user except keep, and returns them.
	SetPassword(ctx context.Context, user int64, was, password string, keep [32]byte) (ended []Login, err error)
	// ExpireLogins removes the logins that have expired, and returns them.
	ExpireLogins(ctx context.Context, now time.Time) ([]Login, error)

	// AddRoom creates an open or private room, whose owner is its first member. The error is
	// ErrTaken if the room is open and another open room has the same Key or looks the same.
	AddRoom(ctx context.Context, r Room) (Room, error)
	// DirectRoom returns the direct room of two users. It creates the room if there is none, and
	// then made is true. A user can have a direct room with themselves. The error is ErrNotFound
	// if one of the users does not exist.
	DirectRoom(ctx context.Context, a, b int64, now time.Time) (r Room, made bool, err error)
	// OpenRooms returns open rooms whose Key is greater than after, by Key.
	OpenRooms(ctx context.Context, after string, limit int) (rooms []Room, more bool, err error)
	// Join makes a user a member of an open room. The error is ErrNotFound if there is no such
	// room, or it is not open. It is no error if the user is already a member. Earlier messages
	// count as read.
	Join(ctx context.Context, room, user int64) (Membership, error)
	// Invite makes user a member of a private or open room of which by is a member. The error is
	// ErrNotFound if by is not a member, and ErrForbidden if the room is direct. If user is
	// already a member, added is false.
	Invite(ctx context.Context, room, by, user int64) (added bool, err error)
	// Leave ends a membership. The error is ErrNotFound if there is none, and ErrForbidden if the
	// room is direct. Nobody can join a private room without members.
	Leave(ctx context.Context, room, user int64) error
	// Membership returns a room of a user, or ErrNotFound if the user is not a member.
	Membership(ctx context.Context, room, user int64) (Membership, error)
	// Memberships returns all rooms of a user, by ID.
	Memberships(ctx context.Context, user int64) ([]Membership, error)
	// Counts returns the number of members of a room, and the number of rooms of a user.
	Counts(ctx context.Context, room, user int64) (members, rooms int, err error)
	// Members returns members of a room whose Key is greater than after, by Key, with ID, Name and
	// Key.
	Members(ctx context.Context, room int64, after string, limit int) (users []User, more bool, err error)
	// MarkRead records that a user has read the messages up to a number, and returns the number in
	// force: it never decreases, and is at most that of the last message. The error is ErrNotFound
	// if the user is not a member.
	MarkRead(ctx context.Context, room, user, number int64) (read int64, err error)

	// Apply makes changes in their order, in one transaction. outcomes[i] is the result of
	// changes[i]. Only members can make changes. A user who sends a message has read all messages
	// up to it. Only its author can edit a message; its author and any moderator who is a member
	// can delete it. Editing a deleted message, or reacting to it, fails with ErrNotFound. A message has
	// at most MaxReactions reactions; another one fails with ErrForbidden.
	Apply(ctx context.Context, changes []Change) ([]Outcome, error)
	// MessagesBefore returns the last messages of a room whose number is less than number, in
	// ascending order. With 0 it returns the last messages of all.
	MessagesBefore(ctx context.Context, room, number int64, limit int) (messages []Message, more bool, err error)
	// MessagesChangedAfter returns the messages whose Rev is greater than rev, by Rev.
	MessagesChangedAfter(ctx context.Context, room, rev int64, limit int) (messages []Message, more bool, err error)
	// Search returns the messages of a room that contain all words of the query, or words that start
	// with them, in any order and case. It returns the latest first, and only messages whose
	// number is less than below; 0 stands for no bound. A query without letters and digits finds
	// nothing.
	Search(ctx context.Context, room int64, query string, below int64, limit int) (messages []Message, more bool, err error)

	// Close closes the store. No other method may be called afterwards.
	Close() error
}
