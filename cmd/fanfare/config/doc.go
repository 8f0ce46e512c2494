// Package config is the configuration of fanfare: flags, environment and a TOML file, from one struct, [Config].
//
// A value comes from the first of these that has it: a flag, the environment, the file, the default. A list comes from one
// of them as a whole.
//
// # From texts to values
//
// [Load] makes three passes over the same fields: the file, the variables, the flags. Each calls set, which parses a text
// according to the field's type and tags; so a mistake reads the same wherever it is made, and parsing goes on with the next
// field. Package kong parses the command line and knows the flags for the help, but its mapper only records the texts, since
// kong stops at the first mistake. The decoder of package toml stops there, too, and has no lines, so a document is built from
// toml's parser; the decoder has the last word about a file in which nothing else is wrong.
//
// After that, [Load] looks for values that contradict each other, [Loaded.Inspect] for mistakes in the files that are named,
// and [Loaded.CheckFree] for addresses that are in use. A field with a mistake is not looked at again, so that one mistake is
// reported once.
//
// # Concurrency
//
// A Config does not change once Load has returned it, so any goroutine may read it. [Config.With] makes a new one.
package config
