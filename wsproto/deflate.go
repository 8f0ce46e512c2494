package wsproto

import (
	"fmt"
	"slices"
	"sync/atomic"
)

// Compression configures permessage-deflate (RFC 7692). The zero value of each field is its
// default. docs/compression.md has the processor time and the sizes for each level.
//
// Without Takeover each message is compressed by itself. Then a connection keeps nothing,
// compressors and decompressors come from pools, and a [Prepared] message is compressed once
// for all connections with the same window. With Takeover messages may refer to earlier ones,
// which makes small and similar ones much smaller. But then a connection keeps the text that
// its window spans, up to 2 × 2^WindowBits bytes: 64 KiB with windows of 15 bits, 2 KiB with
// 10, once as much has gone each way. Broadcasts gain nothing from it, since a Prepared
// message refers to nothing.
type Compression struct {
	// Level is the effort, from 1, the fastest, to 9, the smallest result; 5 if 0. Compared
	// with 5, level 1 takes half to two thirds of the time for large messages, and makes them 10
	// to 25 % larger. Levels above 5 take up to ten times as long, and save up to 8 %. A compressor has about 1 MB; there
	// are as many as are in use at the same time, and no connection keeps one.
	//
	// All levels can be used with all windows. But a message that is larger than a window below
	// 15 bits is compressed as with level 5, the only one that can bound how far back it refers.
	Level int
	// Threshold is the size in bytes below which a message is sent uncompressed; 256 if 0,
	// none if negative. Without Takeover a message that would not become smaller is sent
	// uncompressed too; one of 4 KiB or more is not even compressed if a sample of its bytes
	// looks random, as those of images and ciphertext do.
	Threshold int
	// Takeover lets messages refer to earlier ones, in both directions, if the peer agrees.
	Takeover bool
	// WindowBits bounds how far back a message may refer: 2^WindowBits bytes, from 8 to 15;
	// 15 if 0. From level 5 less of it is used if that makes messages smaller, which is found out
	// with one of 64. A client that cannot bound its own window is asked not to use takeover.
	WindowBits int

	saved  *compressionTotals        // nil before withDefaults
	tuners *[maxWindowBits + 1]tuner // by the bits of the peer's window; nil before withDefaults
}

// compressionTotals has the counters by loop, the last ones for messages that no loop sends. All workers count each message
// that they compress, so counters that loops share would move from processor to processor with every one.
type compressionTotals [compressionShards + 1]compressionCounters

// compressionShards is for how many loops there are counters, so that loops seldom share some.
const compressionShards = 8

func (t *compressionTotals) of(loop int) *compressionCounters { return &t[loop%compressionShards] }

// prepared returns those of messages that are compressed for many connections.
func (t *compressionTotals) prepared() *compressionCounters { return &t[compressionShards] }

// compressionCounters are those of CompressionStats. They have a cache line of their own.
type compressionCounters struct {
	sentPlain, sentCompressed, receivedCompressed, receivedPlain atomic.Int64
	_                                                            [cacheLine]byte
}

// sent counts a message that was compressed from plain to compressed bytes.
func (n *compressionCounters) sent(plain, compressed int) {
	n.sentPlain.Add(int64(plain))
	n.sentCompressed.Add(int64(compressed))
}

// received counts a message that was decompressed.
func (n *compressionCounters) received(compressed, plain int) {
	n.receivedCompressed.Add(int64(compressed))
	n.receivedPlain.Add(int64(plain))
}

// stats returns what the connections with k, which withDefaults has made, have compressed.
func (k *Compression) stats() (s CompressionStats) {
	if k == nil {
		return s
	}
	for i := range k.saved {
		n := &k.saved[i]
		s.SentPlain += n.sentPlain.Load()
		s.SentCompressed += n.sentCompressed.Load()
		s.ReceivedCompressed += n.receivedCompressed.Load()
		s.ReceivedPlain += n.receivedPlain.Load()
	}
	return s
}

func (k *Compression) validate(owner string) error {
	switch {
	case k == nil:
		return nil
	case k.Level < 0 || k.Level > 9:
		return fmt.Errorf("wsproto: %s.Compression.Level is %d; it must be from 1 to 9, or 0 for 5", owner, k.Level)
	case k.WindowBits != 0 && (k.WindowBits < minWindowBits || k.WindowBits > maxWindowBits):
		return fmt.Errorf("wsproto: %s.Compression.WindowBits is %d; it must be from 8 to 15, or 0 for 15", owner, k.WindowBits)
	}
	return nil
}

// withDefaults returns a copy with the zero values replaced.
func (k *Compression) withDefaults() *Compression {
	if k == nil {
		return nil
	}
	c := *k
	setDefault(&c.Level, defaultLevel)
	setDefault(&c.Threshold, defaultThreshold)
	setDefault(&c.WindowBits, maxWindowBits)
	c.saved, c.tuners = new(compressionTotals), new([maxWindowBits + 1]tuner)
	return &c
}

// accept returns the server's answer to the first of the client's offers that it can accept
// (RFC 7692, 5.1 and 7.1), or nil if there is none.
func (k *Compression) accept(offers []extension) *deflateParams {
	for _, o := range offers {
		if o.name != deflateName {
			continue
		}
		if d, ok := parseDeflate(o); ok {
			return k.answer(d)
		}
	}
	return nil
}

// answer accepts an offer. A smaller window and less takeover than offered are always
// allowed, but the client's window can only be bounded if the client said that it is able to
// (7.1.2.2).
func (k *Compression) answer(offer deflateParams) *deflateParams {
	d := &deflateParams{
		serverNoTakeover: offer.serverNoTakeover || !k.Takeover,
		clientNoTakeover: offer.clientNoTakeover || !k.Takeover,
	}
	if bits := min(k.WindowBits, orMax(offer.serverBits)); bits < maxWindowBits || offer.serverBits != 0 {
		d.serverBits = bits
	}
	switch bits := min(k.WindowBits, orMax(offer.clientBits)); {
	case bits == maxWindowBits:
	case offer.clientBits != 0 || offer.clientBitsAny:
		d.clientBits = bits
	default:
		d.clientNoTakeover = true
	}
	return d
}

func orMax(bits int) int {
	if bits == 0 {
		return maxWindowBits
	}
	return bits
}

// offer returns the parameters that a client offers.
func (k *Compression) offer() deflateParams {
	d := deflateParams{serverNoTakeover: !k.Takeover, clientNoTakeover: !k.Takeover, clientBitsAny: true}
	if k.WindowBits < maxWindowBits {
		d.serverBits = k.WindowBits
	}
	return d
}

// judge checks a server's answer to offer (RFC 7692, 5.1 and 7.1).
func (k *Compression) judge(answer string) (*deflateParams, error) {
	bad := func(why string) (*deflateParams, error) {
		return nil, &HandshakeError{Reason: fmt.Sprintf("the server chose the extensions %q: %s", answer, why)}
	}
	all, ok := parseExtensions(slices.Values([][]byte{[]byte(answer)}))
	if !ok {
		return bad("this is not a list of extensions (RFC 6455, 9.1)")
	}
	if k == nil || len(all) != 1 || all[0].name != deflateName {
		return bad("this was not offered")
	}
	d, ok := parseDeflate(all[0])
	offered := k.offer()
	switch {
	case !ok || d.clientBitsAny:
		return bad("a parameter is unknown, repeated or has an invalid value (RFC 7692, 7.1)")
	case offered.serverNoTakeover && !d.serverNoTakeover:
		return bad(serverNoTakeover + " is missing (RFC 7692, 7.1.1.1)")
	case offered.serverBits != 0 && orMax(d.serverBits) > offered.serverBits:
		return bad(fmt.Sprintf("%s is not at most %d (RFC 7692, 7.1.2.1)", serverMaxWindow, offered.serverBits))
	}
	d.clientNoTakeover = d.clientNoTakeover || offered.clientNoTakeover
	d.clientBits = min(orMax(d.clientBits), k.WindowBits) // a smaller window is always allowed
	return &d, nil
}
