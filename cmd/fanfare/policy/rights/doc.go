// Package rights says what an identity may do with which topics.
//
// [Grants] are lists of names and patterns, one for each [Action]. [Compile] turns them into [Rights], which are
// immutable and answer [Rights.May] without an allocation.
//
// # Patterns
//
// The patterns are those of subscriptions (see hub.CheckPattern): * stands for one token, and > at the end for one or more.
// A right covers a topic that its pattern matches. It covers a subscription to a pattern if its own pattern matches every
// topic that the other one matches: prices.> covers prices.*, prices.*.eur and prices.>, and prices.* covers neither of the
// last two. Each right counts alone: a.* and a.*.> together do not cover a.>.
//
// The token {user} stands for the name of the identity's user, as [Escape] writes it: always one token, never a wildcard. So
// inbox.{user}.> is inbox.ada.> for ada, and inbox.a%2Eb.> for the user a.b, whose topics are not below inbox.a. It stands
// for nothing if the identity has no user.
//
// No pattern covers the topics of users, which begin with @. The rights to them are @NAME, @{user} for the identity's own,
// and @> for all. To publish to a user is to write its topic, to disconnect a user is to manage it, and only an identity
// that may list @> sees which users are connected.
//
// # Sharing
//
// Equal rights share one table, which the garbage collector frees with its last user. A connection keeps one pointer. Rights
// with {user} are a table that all users share, and 24 bytes for each identity. A table takes about 60 bytes for each token of its
// patterns, and 200 more.
//
// # Concurrency
//
// Rights never change. The lock of the shared tables is a leaf, is held for one look-up, and only Compile takes it.
package rights
