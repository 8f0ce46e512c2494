// Package survey finds the topics that stand out among all: those with the most subscribers, messages or losses.
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
// # Concurrency
//
// All methods may be called from any goroutine. One survey runs at a time; those who ask wait for it.
package survey
