// Package survey finds the topics that stand out among all: those with the most subscribers, messages or losses. And it finds
// clients: those with most bytes pending, of all or of those that match a query.
//
// # Cost
//
// A hub counts the messages of each topic, and knows no order but that of names. So a survey looks at all topics, a page of 1,000 at
// a time, each topic's lock being held for its own figures only. It does so when somebody asks, and at most every
// 2 seconds; with very many topics less often, so that it never takes more than a twentieth of a core. Whoever asks meanwhile gets
// the last one. 100,000 topics take about 12 ms, 4 MB of which nothing is left.
//
// Rates come from two surveys. For them the last one keeps the name and the counter of each topic, in 24 bytes, beside
// the names themselves. They are forgotten when nobody has asked for 30 seconds.
//
// [Conns] keeps the same pace when it looks at all connections. A scan answers all queries that were asked since the one before,
// however many ask: those that it has not answered wait for the next one. What it keeps are the clients that it has found, not
// the connections.
//
// # Concurrency
//
// All methods may be called from any goroutine. One survey of topics and one scan of connections run at a time; those who ask
// wait for them.
package survey
