package policy_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"github.com/golang-jwt/jwt/v5"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy/token"
)

// A user connects with a token.
func ExamplePolicy() {
	dir, _ := os.MkdirTemp("", "policy")
	defer os.RemoveAll(dir)
	secret := filepath.Join(dir, "secret")
	_ = os.WriteFile(secret, []byte("0123456789abcdef0123456789abcdef"), 0o600)

	p, errs := policy.New(policy.Options{Tokens: token.Options{SecretFiles: []string{secret}}})
	if errs != nil {
		fmt.Println(errs)
		return
	}
	defer p.Close()

	claims := jwt.MapClaims{"sub": "ada", "read": []string{"news.>"}}
	tok, _ := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte("0123456789abcdef0123456789abcdef"))
	r, _ := http.NewRequest("GET", "http://localhost/topics/news?token="+tok, nil)
	id, refusal := p.Identify(p.Credentials(policy.Request(r, true)))
	if refusal != nil {
		fmt.Println(refusal)
		return
	}
	fmt.Println(id.Kind, id.User)
	fmt.Println(p.Authorize(id.Rights, policy.Read, "news.today") == nil)
	fmt.Println(p.Authorize(id.Rights, policy.Write, "news.today"))
	// Output:
	// token ada
	// true
	// refused with 403: the caller has no right to write "news.today"; its key, token or user needs one
}
