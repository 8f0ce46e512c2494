package rights_test

import (
	"fmt"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy/rights"
)

func ExampleCompile() {
	r, err := rights.Compile(rights.Grants{
		Read:  []string{"prices.>", "inbox.{user}.*"},
		Write: []string{"chat.lobby"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ada := r.For("ada")
	fmt.Println(ada.May(rights.Read, "prices.eu.bid"), ada.May(rights.Read, "prices.*"), ada.May(rights.Read, ">"))
	fmt.Println(ada.May(rights.Read, "inbox.ada.1"), ada.May(rights.Read, "inbox.bob.1"))
	fmt.Println(ada.May(rights.Write, "chat.lobby"), ada.May(rights.Write, "prices.eu"))
	// Output:
	// true true false
	// true false
	// true false
}
