package alerts

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxSecret is how large a file with an address or a secret can be.
const maxSecret = 64 << 10

// secret reads what a file holds, or an environment variable, as it is now; the end of its line does not count. Its errors say
// nothing of the content.
func (c *Config) secret(what, file, variable string) (string, error) {
	var text string
	switch {
	case file != "":
		content, err := c.readSecret(file)
		if err != nil {
			return "", fmt.Errorf("the file with the %s cannot be read: %s: %w", what, file, err)
		}
		text = strings.TrimRight(content, "\r\n")
	case variable != "":
		text = os.Getenv(variable)
	default:
		return "", nil
	}
	if strings.TrimSpace(text) == "" {
		return "", fmt.Errorf("the %s is empty: fill %s%s", what, file, variable)
	}
	return text, nil
}

func (c *Config) readSecret(file string) (string, error) {
	if !filepath.IsAbs(file) {
		file = filepath.Join(c.SecretsFolder, file)
	}
	info, err := os.Stat(file)
	if err != nil {
		return "", plainCause(err)
	}
	if !info.Mode().IsRegular() {
		return "", errors.New("it is no file")
	}
	f, err := os.Open(file)
	if err != nil {
		return "", plainCause(err)
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", plainCause(err)
	}
	if len(content) > maxSecret {
		return "", fmt.Errorf("it is larger than %d bytes", maxSecret)
	}
	return string(content), nil
}

// plainCause leaves out the path.
func plainCause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
