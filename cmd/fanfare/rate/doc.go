// Package rate limits the rates of users and topics: messages a second and bytes a second, for each key.
//
// A [Limiter] implements GCRA, the generic cell rate algorithm. A message of n bytes costs as much time as the rates
// allow for it: max(1/Messages, n/Bytes) seconds. A key has a credit of Burst, from which messages are paid, and which
// grows by one second in each second until it is full. Therefore the messages of a key in any window of t cost at most
// t + Burst, or t plus the cost of the largest message if that is more than Burst: a message that costs more than Burst
// is admitted when the credit is full, and leaves a debt.
//
// # Memory
//
// The state of a key is one time, at which its credit is full again. After that time the key is idle: its state says
// nothing, and may be removed without effect. A key takes about 120 bytes. At most Options.MaxKeys keys have a state. A
// new key removes up to two keys that have been idle for a minute or, if there is no room, since now.
//
// When all places are taken by keys that are not idle, new keys share one credit in each shard. They are limited more
// strictly then, and never less: a key that gets a place of its own later inherits what is missing from the shared
// credit. Peers that use many keys can so slow down new keys while they go on, but no known ones, and cannot escape a
// limit by displacing their own state. Stats.Shared counts messages that were paid from a shared credit.
//
// # Concurrency
//
// All methods may be called from any goroutine. Keys are spread over at most 64 shards, each with a lock of its own,
// which is held for one look-up in a map and, for a new key, a few steps in a heap. A random seed chooses the shard, so
// that peers cannot choose names that meet in one. The clock is read under the lock of the shard, so its readings do
// not decrease there.
package rate
