package wsproto

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// corpora are texts of 256 KiB or more: a report as of the Autobahn test suite, prices, and Go.
var corpora = map[string]func(t testing.TB) []byte{
	"report": func(testing.TB) []byte {
		var b bytes.Buffer
		r := rand.New(rand.NewPCG(6455, 7692))
		for agent := 0; b.Len() < 256<<10; agent++ {
			fmt.Fprintf(&b, "   \"Agent/0.%d.0\": {\n", agent)
			for i := range 200 {
				fmt.Fprintf(&b, "      \"%d.%d.%d\": {\n         \"behavior\": \"OK\",\n         \"behaviorClose\": \"OK\",\n         \"duration\": %d,\n"+
					"         \"remoteCloseCode\": 1000,\n         \"reportfile\": \"agent_0_%d_0_case_%[1]d_%[2]d_%[3]d.json\"\n      },\n", i/50+1, i/10%5+1, i%10+1, r.IntN(40), agent)
			}
		}
		return b.Bytes()
	},
	"prices": func(testing.TB) []byte {
		var b bytes.Buffer
		r := rand.New(rand.NewPCG(6455, 7692))
		for i := 0; b.Len() < 256<<10; i++ {
			fmt.Fprintf(&b, "%d,%s,%.2f,%.2f,%d\n", 1790000000000+37*i, []string{"BTCUSD", "ETHUSD", "SOLUSD"}[r.IntN(3)], 100*r.Float64(), 100*r.Float64(), r.IntN(10000))
		}
		return b.Bytes()
	},
	"go": func(t testing.TB) []byte {
		var all []byte
		files, _ := filepath.Glob("*.go")
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, text...)
		}
		return all
	},
}

// deflatedSize returns the bytes of messages of n bytes, after the tuner has seen enough of them.
func deflatedSize(k *Compression, corpus []byte, n, bits int, takeover bool) int {
	k = k.withDefaults()
	var window []byte
	sum := 0
	for i := range tuneFirst + 8 {
		at := i * n % (len(corpus) - n)
		p := corpus[at : at+n]
		d := k.deflate(p, window, bits)
		if i >= tuneFirst {
			sum += d.size()
		}
		d.free()
		if takeover {
			window = appendWindow(window, p, bits)
		}
	}
	return sum
}

// TestLargerWindowIsNotWorse: messages do not grow with the window. With takeover they may by as much as the tuner can be
// wrong, because what the last messages were like does not quite tell what the next are like.
func TestLargerWindowIsNotWorse(t *testing.T) {
	for name, corpus := range corpora {
		for _, n := range []int{256, 1 << 10, 4 << 10, 48 << 10} {
			for _, takeover := range []bool{false, true} {
				t.Run(fmt.Sprint(name, n, takeover), func(t *testing.T) {
					t.Parallel()
					corpus := corpus(t)
					slack := 200
					if takeover {
						slack = 50
					}
					smallest := deflatedSize(new(Compression), corpus, n, minWindowBits, takeover)
					sizes := []int{smallest}
					for bits := minWindowBits + 1; bits <= maxWindowBits; bits++ {
						size := deflatedSize(new(Compression), corpus, n, bits, takeover)
						if sizes = append(sizes, size); size > smallest+smallest/slack {
							t.Errorf("%d bytes with %d bits, %d with fewer", size, bits, smallest)
						}
						smallest = min(size, smallest)
					}
					t.Log(sizes)
				})
			}
		}
	}
}

// TestTunerPrefersNearMatches: the largest window is not used for messages for which it is not the best one.
func TestTunerPrefersNearMatches(t *testing.T) {
	k := new(Compression).withDefaults()
	corpus := corpora["report"](t)
	for i := range 2 * tuneFirst {
		k.deflate(corpus[1000*i:1000*i+16<<10], nil, maxWindowBits).free()
	}
	if best := k.tuners[maxWindowBits].best.Load(); best == 0 || best > 11 {
		t.Errorf("the best window has %d bits", best)
	}
	if n := k.tuners[maxWindowBits].seen.Load(); n != 2*tuneFirst {
		t.Errorf("%d messages were seen", n)
	}
	text := corpora["go"](t)
	k.tuners[maxWindowBits].seen.Store(0) // else it takes 64 times as many messages
	for i := range tuneFirst {            // it finds out that the messages have changed
		k.deflate(text[500*i:500*i+48<<10], nil, maxWindowBits).free()
	}
	if best := k.tuners[maxWindowBits].best.Load(); best < 14 {
		t.Errorf("the best window has %d bits", best)
	}
}

// TestTunerRace: goroutines that compress at the same time get their own messages.
func TestTunerRace(t *testing.T) {
	k := new(Compression).withDefaults()
	corpus := corpora["report"](t)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 20 {
				p := corpus[100*i+1000*j:][:4<<10]
				d := k.deflate(p, nil, 12)
				if got := unsqueeze(t, string(d.bytes()), nil); got != string(p) {
					t.Errorf("message %d of goroutine %d became %.60q", j, i, got)
				}
				d.free()
			}
		})
	}
	all.Wait()
}

// TestReachesNotTooFar: with every level and window, what is repeated beyond the window is not found, and what is repeated
// within it is.
func TestReachesNotTooFar(t *testing.T) {
	for level := 1; level <= 9; level++ {
		for bits := minWindowBits; bits <= maxWindowBits; bits++ {
			k := (&Compression{Level: level}).withDefaults()
			far, near := noise(1<<bits+100), noise(1<<bits-100)
			for range tuneFirst + 1 { // with each window
				d := k.deflate([]byte(far+far), nil, bits)
				if d.size() < 2*len(far) {
					t.Errorf("level %d, %d bits: a message of %d bytes has %d", level, bits, 2*len(far), d.size())
				}
				d.free()
			}
			d := (&Compression{Level: level}).withDefaults().deflate([]byte(near+near), nil, bits)
			if d.size() > len(near)+len(near)/2 {
				t.Errorf("level %d, %d bits: a message of %d bytes has %d", level, bits, 2*len(near), d.size())
			}
			if got := unsqueeze(t, string(d.bytes()), nil); got != near+near {
				t.Errorf("level %d, %d bits: another message comes out", level, bits)
			}
			d.free()
		}
	}
}

// TestIncompressible: of compressible messages none looks random.
func TestIncompressible(t *testing.T) {
	k := new(Compression).withDefaults()
	packed := k.deflate([]byte(strings.Repeat(noise(100), 10)+string(corpora["go"](t)[:200<<10])), nil, 15)
	defer packed.free()
	for name, p := range map[string]string{"random": noise(64 << 10), "the least": noise(sampleFrom), "compressed": string(packed.bytes())} {
		if !incompressible([]byte(p)) {
			t.Errorf("%s: %d bytes are to be compressed", name, len(p))
		}
	}
	six := []byte(noise(64 << 10))
	for i := range six {
		six[i] &= 0x3f
	}
	for name, p := range map[string]string{
		"small": noise(sampleFrom - 1), "zeros": strings.Repeat("\x00", 10_000), "six bits": string(six), "letters": letters(10_000), "Greek": greek(10_000),
		"report": string(corpora["report"](t)), "prices": string(corpora["prices"](t)), "go": string(corpora["go"](t)),
	} {
		if incompressible([]byte(p)) {
			t.Errorf("%s: %d bytes are not to be compressed", name, len(p))
		}
	}
	if n := testing.AllocsPerRun(10, func() { incompressible(six) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
