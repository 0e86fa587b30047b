package browser

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// kept stores what a rule keeps out, and answers where it waits.
func (b *tab) kept(path, body string) any {
	b.Helper()
	return b.call(202, "POST", path, body, "application/json")["quarantined"].([]any)[0].(map[string]any)["id"]
}

// What is not touched in a row that is mended stays as it was stored, also what browsers write in another way: line breaks of all kinds.
func TestMendedRowKeepsTheRest(t *testing.T) {
	b := open(t)
	b.fill()
	for i, city := range []string{"No\nwhere", "\n No\r\nwhere\r\n", strings.Repeat("long ", 20) + "\n\nand longer\r"} {
		stored, err := json.Marshal(map[string]any{"orders:city": city, "orders:amount": 1})
		require.NoError(t, err)
		id := b.kept(fmt.Sprintf("/store/customer/z%d", i), string(stored))
		b.visit(fmt.Sprintf("/admin/quarantine/%v", id))
		b.write(`[name="value.amount"]`, "7.5")
		b.press(`form.amend button:not([formaction])`, "Saved.")
		features := b.call(200, "GET", fmt.Sprintf("/quarantine/%v", id), "", "")["features"]
		require.Equal(t, map[string]any{"amount": 7.5, "city": city}, features)
	}
	id := b.kept("/store/customer/last", `{"orders:city": "one\ntwo"}`)
	b.visit(fmt.Sprintf("/admin/quarantine/%v", id))
	b.do(script(`document.querySelector("[name='value.city']").value = "one\n\ntwo"`))
	b.press(`form.amend button:not([formaction])`, "Saved.")
	require.Equal(t, map[string]any{"city": "one\n\ntwo"}, b.call(200, "GET", fmt.Sprintf("/quarantine/%v", id), "", "")["features"])
}
