package gx

import (
	"regexp"
	"slices"
	"strings"
)

func translateType(k *keywords) {
	k.column()
	name := k.text("type_")
	if k.get("type_") == "" {
		k.types(nil)
		return
	}
	k.types([]string{name})
}

func translateTypes(k *keywords) {
	k.column()
	if k.get("type_list") == "" {
		k.types(nil)
		return
	}
	k.types(k.texts("type_list"))
}

// types takes names of types of Python, numpy, pandas and SQL.
func (k *keywords) types(names []string) {
	var types []string
	if names == nil { // any
		types = []string{"BOOLEAN", "INTEGER", "FLOAT", "STRING", "TIMESTAMP", "JSON", "BOOLEAN[]", "INTEGER[]", "FLOAT[]", "STRING[]", "TIMESTAMP[]"}
		k.e.dtypes = []string{"*"}
	}
	for _, name := range names {
		known := knownType(name)
		if len(known.types) == 0 {
			k.refuse("the type %q is not known", name)
			return
		}
		k.e.dtypes = append(k.e.dtypes, known.dtypes...)
		for _, t := range known.types {
			if !slices.Contains(types, t) {
				types = append(types, t)
			}
		}
	}
	if len(types) == 0 && names != nil {
		k.refuse("type_list is empty")
	}
	k.params["types"] = types
}

// typeNames are a type of rules and the dtypes that a name of a type means; "native:" marks a name that counts for single values in a
// column of objects too.
type typeNames struct{ types, dtypes []string }

func knownType(name string) typeNames {
	switch lower := strings.ToLower(name); {
	case lower == "int" || lower == "long":
		return typeNames{[]string{"INTEGER"}, []string{"int64", "native:INTEGER"}}
	case name == "int64" || lower == "int_" || name == "Int64" || name == "i8":
		return typeNames{[]string{"INTEGER"}, []string{"int64"}}
	case lower == "float":
		return typeNames{[]string{"FLOAT"}, []string{"float64", "native:FLOAT"}}
	case name == "float64" || lower == "float_" || lower == "double" || name == "Float64":
		return typeNames{[]string{"FLOAT"}, []string{"float64"}}
	case lower == "bool":
		return typeNames{[]string{"BOOLEAN"}, []string{"bool_", "native:BOOLEAN"}}
	case lower == "bool_" || lower == "boolean":
		return typeNames{[]string{"BOOLEAN"}, []string{"bool_"}}
	case lower == "str" || lower == "string_types":
		return typeNames{[]string{"STRING"}, []string{"native:STRING"}}
	case lower == "string" || lower == "text" || lower == "str_" || strings.HasPrefix(lower, "varchar") || strings.HasPrefix(lower, "char"):
		return typeNames{[]string{"STRING"}, []string{""}}
	case lower == "object" || lower == "object_" || name == "O":
		return typeNames{[]string{"STRING", "JSON"}, []string{"object_"}}
	case lower == "list":
		return typeNames{[]string{"JSON", "BOOLEAN[]", "INTEGER[]", "FLOAT[]", "STRING[]", "TIMESTAMP[]"}, []string{"native:list"}}
	case lower == "dict":
		return typeNames{[]string{"JSON"}, []string{"native:dict"}}
	case strings.HasPrefix(lower, "datetime") || strings.HasPrefix(lower, "timestamp") || lower == "date":
		return typeNames{[]string{"TIMESTAMP"}, []string{"datetime64"}}
	case regexp.MustCompile(`^u?int(8|16|32|64)?(dtype)?$|^(big|small|tiny)?int(eger)?$`).MatchString(lower):
		return typeNames{[]string{"INTEGER"}, []string{""}}
	case regexp.MustCompile(`^float(16|32|64)?(dtype)?$|^(real|numeric|decimal|double_precision)`).MatchString(lower):
		return typeNames{[]string{"FLOAT"}, []string{""}}
	}
	return typeNames{}
}
