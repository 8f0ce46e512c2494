// Package strictjson reads JSON from untrusted peers. It differs from encoding/json where
// encoding/json is more lenient than RFC 8259, or stricter than JavaScript:
//
//   - Member names are case-sensitive: "Topic" is not "topic".
//   - A number with an integral value decodes into an integer, however it is written: 5.0
//     and 5e0 are 5.
//   - Of members with the same name the last one counts, as in JavaScript.
//   - A value is nested at most [MaxDepth] levels deep. A relay can therefore wrap it in
//     an envelope of its own, and every receiver can still parse the result.
//   - Text is UTF-8. Decoding a string with a lone surrogate such as "\ud800" fails, because
//     encoding/json replaces it by U+FFFD and so turns two different names into one. A value
//     that is passed on undecoded may contain one.
//
// Packages hub/wire and hub use it for everything a client sends, and the commands for the
// bodies of HTTP requests.
//
// [Check] and [Object] read the input in one pass. They allocate nothing, except for errors
// and for names with escapes. Nothing in this package keeps a reference to the input beyond
// the [Value] that it passes to a callback. All functions may be called from any goroutine.
package strictjson
