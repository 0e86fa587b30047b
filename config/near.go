package config

import "strings"

// nearKey suggests what a misspelt key was meant to be.
func nearKey(key string, known []setting) string {
	names := make([]string, len(known))
	for i, s := range known {
		names[i] = s.key
	}
	return suggestion(key, names)
}

func nearVariable(name string, known []setting) string {
	names := make([]string, len(known))
	for i, s := range known {
		names[i] = s.environment()
		if strings.HasSuffix(name, "_FILE") {
			names[i] += "_FILE"
		}
	}
	return suggestion(name, names)
}

func suggestion(given string, known []string) string {
	best, least := "", len(given)/3+1
	for _, name := range known {
		distance := editDistance(given, name)
		if last := name[strings.LastIndexByte(name, '.')+1:]; last == given { // the key without its section
			distance = 0
		}
		if distance < least {
			best, least = name, distance
		}
	}
	if best == "" {
		return "; `featurestore config --defaults` shows all"
	}
	return ": did you mean " + best + "?"
}

// editDistance counts the insertions, deletions and replacements between two texts.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
