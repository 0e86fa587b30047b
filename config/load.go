package config

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"github.com/spf13/viper"
)

//go:embed default.yaml
var defaults []byte

// Default is default.yaml as it stands, with its explanations.
func Default() string { return string(defaults) }

// Sources is where settings come from, besides default.yaml; a later member outranks an earlier one.
type Sources struct {
	File        string                       // a YAML file, or ""
	Environment []string                     // as os.Environ gives it
	Flags       map[string]*pflag.Flag       // by key; a flag that was not given does not count
	ReadFile    func(string) ([]byte, error) // for the file and the _FILE variables; nil: os.ReadFile
}

// Loaded is the settings and where each that is not the default comes from.
type Loaded struct {
	Config
	origins map[string]string // key → the file, the variable or the flag
}

// Errors is everything that is wrong with the settings.
type Errors []error

func (e Errors) Error() string {
	if len(e) == 1 {
		return e[0].Error()
	}
	lines := make([]string, len(e))
	for i, err := range e {
		lines[i] = "\n  - " + err.Error()
	}
	return fmt.Sprintf("the settings have %d mistakes:%s", len(e), strings.Join(lines, ""))
}

// Load reads all sources. If anything is wrong, its error is an Errors that names every mistake.
func Load(sources Sources) (*Loaded, error) {
	if sources.ReadFile == nil {
		sources.ReadFile = os.ReadFile
	}
	loaded := &Loaded{origins: map[string]string{}}
	known := settings(&loaded.Config)
	v, untouched := viper.New(), viper.New()
	for _, v := range []*viper.Viper{v, untouched} {
		v.SetConfigType("yaml")
		if err := v.ReadConfig(bytes.NewReader(defaults)); err != nil {
			return nil, fmt.Errorf("default.yaml: %w", err)
		}
	}
	var errs Errors
	file, fromFile := loaded.mergeFile(v, known, sources)
	environment, unread := loaded.mergeEnvironment(v, known, sources)
	errs = append(append(errs, file...), environment...)
	for key, flag := range sources.Flags {
		if err := v.BindPFlag(key, flag); err != nil {
			return nil, fmt.Errorf("flag --%s: %w", flag.Name, err)
		}
		if flag.Changed {
			loaded.origins[key] = "--" + flag.Name
		}
	}
	for _, s := range known {
		given := v.Get(s.key)
		if err := s.set(given); err != nil {
			origin := loaded.origins[s.key]
			if origin == "" {
				origin = "default.yaml"
			}
			shown := fmt.Sprintf("%q", fmt.Sprint(given))
			if _, secret := s.value.Interface().(Secret); secret {
				shown = mask
			}
			errs = append(errs, fmt.Errorf("%s in %s is %s: %w", s.key, origin, shown, err))
			unread = append(unread, s.key)
			if err := s.set(untouched.Get(s.key)); err != nil {
				return nil, fmt.Errorf("%s in default.yaml: %w", s.key, err)
			}
		}
	}
	if fromFile { // else nothing is known of what it says
		loaded.settle()
		errs = append(errs, notAbout(unread, loaded.validate())...)
	}
	if len(errs) > 0 {
		return nil, errs
	}
	return loaded, nil
}

// notAbout leaves out what is said of settings whose values are not known: the defaults stand in their place.
func notAbout(unread []string, errs []error) []error {
	return slices.DeleteFunc(errs, func(err error) bool {
		return slices.ContainsFunc(unread, func(key string) bool {
			return regexp.MustCompile(`\b` + regexp.QuoteMeta(key) + `\b`).MatchString(err.Error())
		})
	})
}

// mergeFile reads the file over the defaults, and tells whether it could be read.
func (l *Loaded) mergeFile(v *viper.Viper, known []setting, sources Sources) (errs Errors, read bool) {
	if sources.File == "" {
		return nil, true
	}
	content, err := sources.ReadFile(sources.File)
	if err != nil {
		return Errors{fmt.Errorf("the settings file %s cannot be read: %s", sources.File, plainCause(err))}, false
	}
	file := viper.New()
	file.SetConfigType("yaml")
	if err := file.ReadConfig(bytes.NewReader(content)); err != nil {
		return Errors{fmt.Errorf("the settings file %s is not YAML: %s", sources.File, strings.TrimPrefix(err.Error(), "While parsing config: "))}, false
	}
	for _, key := range file.AllKeys() {
		given := file.Get(key)
		switch {
		case slices.ContainsFunc(known, func(s setting) bool { return s.key == key }):
			if given == nil {
				continue // a key without a value: the default
			}
			l.origins[key] = sources.File
			if err := v.MergeConfigMap(nested(key, given)); err != nil {
				errs = append(errs, fmt.Errorf("%s in %s: %w", key, sources.File, err))
			}
		case slices.ContainsFunc(known, func(s setting) bool { return strings.HasPrefix(s.key, key+".") }):
			if given != nil {
				errs = append(errs, fmt.Errorf("%s in %s has a value: it is a section, whose keys go below it", key, sources.File))
			}
		default:
			errs = append(errs, fmt.Errorf("%s in %s is not a known key%s", key, sources.File, nearKey(key, known)))
		}
	}
	return errs, true
}

// nested writes a.b = value as {a: {b: value}}.
func nested(key string, value any) map[string]any {
	if first, rest, ok := strings.Cut(key, "."); ok {
		return map[string]any{first: nested(rest, value)}
	}
	return map[string]any{key: value}
}

// ignored are variables that begin like ours and are not: those of tests, the name of the settings file, and what Kubernetes
// sets for a service of that name.
var ignored = regexp.MustCompile(`^FEATURESTORE_(TEST_.*|CONFIG|(.+_)?SERVICE_(HOST|PORT(_.*)?)|(.+_)?PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// mergeEnvironment binds the variables, and reads the files that _FILE variables name. unread are the keys whose values are not known then.
func (l *Loaded) mergeEnvironment(v *viper.Viper, known []setting, sources Sources) (errs Errors, unread []string) {
	given := map[string]string{}
	for _, variable := range sources.Environment {
		name, value, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, prefix+"_") && value != "" && !ignored.MatchString(name) {
			given[name] = value
		}
	}
	for _, s := range known {
		name := s.environment()
		value, plain := given[name]
		path, file := given[name+"_FILE"]
		delete(given, name)
		delete(given, name+"_FILE")
		switch {
		case plain && file:
			errs = append(errs, fmt.Errorf("%s and %s_FILE are both set: remove one", name, name))
			unread = append(unread, s.key)
			continue
		case file:
			content, err := sources.ReadFile(path)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s_FILE names %s, which cannot be read: %s", name, path, plainCause(err)))
				unread = append(unread, s.key)
				continue
			}
			value, name = strings.TrimRight(string(content), "\r\n"), name+"_FILE"
		case !plain:
			continue
		}
		l.origins[s.key] = name
		if err := v.MergeConfigMap(nested(s.key, value)); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	for name := range given {
		errs = append(errs, fmt.Errorf("%s is not a known variable%s", name, nearVariable(name, known)))
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errs, unread
}

// plainCause leaves out what the sentence around it says.
func plainCause(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}
