package storetest

import (
	"fmt"
	"strings"

	"github.com/fanfare-ws/fanfare/cmd/fanfare-chat/store"
)

// finds checks the numbers of the messages that a query finds, all of which must be in the room.
func (k *kit) finds(r store.Room, query string, want ...int64) {
	k.Helper()
	found, more, err := k.Store.Search(k.ctx, r.ID, query, 0, 100)
	if err != nil {
		k.Errorf("%q: %v", query, err)
		return
	}
	var numbers []int64
	for _, m := range found {
		numbers = append(numbers, m.Number)
		if m.Room != r.ID {
			k.Errorf("%q finds a message of room %d in room %d", query, m.Room, r.ID)
		}
	}
	list(k, fmt.Sprintf("%q finds", query), numbers, want...)
	same(k, "more", more, false)
}

// search: words and prefixes of words, in any order, case and script.
func search(k *kit) {
	ada := k.user("ada")
	r, other := k.room(store.Private, "room", ada), k.room(store.Private, "other", ada)
	for _, text := range []string{
		"The quick brown fox",
		"a quicker Fox, a brown one",
		"Grüße aus Köln",
		"STRASSE, Straße",
		"цена: 100 рублей",
		"日本語 テスト",
		"😀😀 🎉",
		"don't stop; e-mail me@example.org/path?x=1",
		"cafe\u0301 and café", // an accent of its own, and one that is not
		"snake_case CamelCase v1.2.3",
		"x" + strings.Repeat("y", 7000),
		"heart ❤\ufe0f",
		"我家在上海东边。",
		"สวัสดีชาวโลก",
		"a dog 🐶 here",
		"naïve João שָׁלוֹם",
	} {
		k.says(other, ada, text)
		k.says(r, ada, text)
	}
	for _, c := range []struct {
		query string
		want  []int64
	}{
		{"fox", []int64{2, 1}}, {"FOX", []int64{2, 1}}, {"quick", []int64{2, 1}}, {"quicker", []int64{2}},
		{"brown quick", []int64{2, 1}}, {"fox  qui\tbro", []int64{2, 1}}, {"fo", []int64{2, 1}}, {"ox", nil}, {"foxes", nil},
		{"fox wolf", nil}, {"fox fox", []int64{2, 1}}, {"the", []int64{1}},
		{"grüße", []int64{3}}, {"GRÜSSE", []int64{3}}, {"grusse", []int64{3}}, {"köl", []int64{3}}, {"kol", []int64{3}},
		{"straße", []int64{4}}, {"strasse", []int64{4}},
		{"ЦЕНА", []int64{5}}, {"руб 10", []int64{5}}, {"日本", []int64{6}}, {"テスト", []int64{6}},
		{"example", []int64{8}}, {"e-mail", []int64{8}}, {"me@example.org", []int64{8}}, {"don't", []int64{8}},
		{"café", []int64{9}}, {"cafe\u0301", []int64{9}}, {"CAFÉ AND", []int64{9}}, {"case", []int64{10}}, {"snake_case", []int64{10}}, {"v1.2", []int64{10}},
		{"x" + strings.Repeat("y", 50), []int64{11}}, {"x" + strings.Repeat("y", 7000), []int64{11}},
		{"heart", []int64{12}}, {"❤\ufe0f heart", []int64{12}},
		{"上海", []int64{13}}, {"海", []int64{13}}, {"上海东边", []int64{13}}, {"东", []int64{13}}, {"上东", nil}, {"スト", []int64{6}}, {"本語", []int64{6}},
		{"ชาวโลก", []int64{14}}, {"วัส", []int64{14}}, {"🐶", []int64{15}}, {"🐶 dog", []int64{15}}, {"🐱", nil}, {"🎉", []int64{7}},
		{"cafe", []int64{9}}, {"naive", []int64{16}}, {"joao", []int64{16}}, {"שלום", []int64{16}},
		{"", nil}, {"  ", nil}, {"😀", []int64{7}}, {"😀😀", []int64{7}}, {"❤\ufe0f", []int64{12}}, {"❤", []int64{12}}, {"...", nil}, {"*", nil}, {"\u0301", nil},
	} {
		k.finds(r, c.query, c.want...)
	}
}

// searchPages: the latest messages come first, and the next page starts below a number.
func searchPages(k *kit) {
	r, _, all := k.talk(40)
	for _, limit := range []int{1, 7, 39, 40, 100} {
		below, next := int64(0), int64(len(all))
		for more := true; more; {
			var page []store.Message
			var err error
			page, more, err = k.Store.Search(k.ctx, r.ID, "mess", below, limit)
			k.must(err)
			if len(page) == 0 || len(page) > limit || more && len(page) < limit {
				k.Fatalf("a page of %d has %d, and more is %v", limit, len(page), more)
			}
			for _, m := range page {
				same(k, "found", m, all[next-1])
				next--
			}
			below = page[len(page)-1].Number
		}
		same(k, "not found", next, 0)
	}
	for _, c := range []struct {
		below int64
		want  int
	}{{1, 0}, {2, 1}, {1 << 50, 40}, {-1, 0}} {
		found, _, err := k.Store.Search(k.ctx, r.ID, "message", c.below, 100)
		k.must(err)
		same(k, fmt.Sprint("found below ", c.below), len(found), c.want)
	}
}

// searchFollows: a message is found by the words of its present text.
func searchFollows(k *kit) {
	ada := k.user("ada")
	r := k.room(store.Private, "room", ada)
	k.says(r, ada, "first words")
	k.says(r, ada, "...")
	change := func(act store.Op, number int64, text string) {
		k.Helper()
		k.must(k.apply(store.Change{Op: act, Room: r.ID, User: ada.ID, Number: number, Text: text, At: noon})[0].Err)
	}
	change(store.Edit, 1, "second words")
	k.finds(r, "first")
	k.finds(r, "second", 1)
	k.finds(r, "words", 1)
	change(store.Edit, 2, "party words")
	k.finds(r, "words", 2, 1)
	change(store.Edit, 1, "!")
	k.finds(r, "words", 2)
	change(store.Edit, 1, "words again")
	k.finds(r, "words", 2, 1)
	change(store.Delete, 2, "")
	k.finds(r, "words", 1)
	k.finds(r, "party")
}

// searchHasNoSyntax: any query is treated as words.
func searchHasNoSyntax(k *kit) {
	ada := k.user("ada")
	r, other := k.room(store.Private, "room", ada), k.room(store.Private, "other", ada)
	k.says(other, ada, "alpha beta gamma near or not words")
	k.says(r, ada, "alpha beta")
	k.says(r, ada, "alpha or not beta near gamma")
	for _, query := range []string{
		`"alpha`, `alpha"`, `'alpha'`, `alpha*`, `^alpha`, `(alpha`, `alpha)`, `alpha:*`, `alpha & beta`, `alpha | beta`, `!alpha`,
		`-alpha`, `alpha + beta`, `alpha <-> beta`, `\alpha`, `alpha\`, `alpha;`, `{alpha} :`, `alpha%`, `"alpha" * "beta"`, "alpha\nbeta", "alpha\x00beta",
		"\xffalpha",
	} {
		k.finds(r, query, 2, 1)
	}
	k.finds(r, "alpha OR gamma", 2)
	k.finds(r, "alpha NOT beta", 2)
	k.finds(r, "NEAR(alpha beta)", 2)
	k.finds(r, "words: alpha")
	k.finds(r, "words MATCH alpha OR 1")
	k.finds(r, fmt.Sprintf("%dxalpha", other.ID))
	var many []string
	for i := range 1000 {
		many = append(many, fmt.Sprint("w", i))
	}
	k.finds(r, strings.Join(many, " "))
	k.says(r, ada, strings.Join(many, " "))
	k.finds(r, strings.Join(many, " "), 3)
}
