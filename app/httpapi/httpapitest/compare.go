package httpapitest

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// compare says where an answer differs from what is wanted.
func compare(wanted, answer string, kept map[string]string) error {
	w, a := decoder(wanted), decoder(answer)
	if err := value(w, a, "", kept); err != nil {
		return err
	}
	if _, err := a.Token(); err != io.EOF {
		return fmt.Errorf("something follows the answer")
	}
	if _, err := w.Token(); err != io.EOF {
		return fmt.Errorf("something follows what is wanted")
	}
	return nil
}

func decoder(text string) *json.Decoder {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	return d
}

// value compares one value.
func value(w, a *json.Decoder, at string, kept map[string]string) error {
	wanted, err := w.Token()
	if err != nil {
		return fmt.Errorf("what is wanted cannot be read at %s: %w", at, err)
	}
	if text, ok := wanted.(string); ok && strings.HasPrefix(text, "…") {
		var raw json.RawMessage
		if err := a.Decode(&raw); err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
		if name := strings.TrimPrefix(text, "…"); name != "" {
			kept[name] = strings.Trim(string(raw), `"`)
		}
		return nil
	}
	got, err := a.Token()
	if err != nil {
		return fmt.Errorf("%s: %w", at, err)
	}
	if wanted != got {
		return fmt.Errorf("%s: wanted %v, got %v", at, wanted, got)
	}
	switch wanted {
	case json.Delim('{'):
		return object(w, a, at, kept)
	case json.Delim('['):
		return array(w, a, at, kept)
	}
	return nil
}

func object(w, a *json.Decoder, at string, kept map[string]string) error {
	for w.More() {
		name, err := w.Token()
		if err != nil {
			return err
		}
		if name == "…" {
			return further(w, a)
		}
		if !a.More() {
			return fmt.Errorf("%s: has no member %v", at, name)
		}
		got, err := a.Token()
		if err != nil {
			return err
		}
		if got == "progress" && name != got { // a run has one only where it took so long that one was saved
			var progress json.RawMessage
			if err = a.Decode(&progress); err == nil {
				got, err = a.Token()
			}
			if err != nil {
				return err
			}
		}
		if got != name {
			return fmt.Errorf("%s: wanted member %v, got %v", at, name, got)
		}
		if err := value(w, a, fmt.Sprint(at, ".", name), kept); err != nil {
			return err
		}
	}
	return end(w, a, at)
}

// further passes over the members that are left.
func further(w, a *json.Decoder) error {
	var any json.RawMessage
	if err := w.Decode(&any); err != nil {
		return err
	}
	for a.More() {
		if _, err := a.Token(); err != nil {
			return err
		}
		if err := a.Decode(&any); err != nil {
			return err
		}
	}
	return end(w, a, "")
}

func array(w, a *json.Decoder, at string, kept map[string]string) error {
	for i := 0; w.More(); i++ {
		if !a.More() {
			return fmt.Errorf("%s: has only %d elements", at, i)
		}
		if err := value(w, a, fmt.Sprintf("%s[%d]", at, i), kept); err != nil {
			return err
		}
	}
	return end(w, a, at)
}

func end(w, a *json.Decoder, at string) error {
	wanted, err := w.Token()
	if err != nil {
		return fmt.Errorf("what is wanted cannot be read at %s: %w", at, err)
	}
	got, err := a.Token()
	if err != nil {
		return err
	}
	if wanted != got {
		return fmt.Errorf("%s: goes on with %v", at, got)
	}
	return nil
}
