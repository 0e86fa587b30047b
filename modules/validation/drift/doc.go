// Package drift tells whether the values of a feature have moved away from those of a reference.
//
// Values are counted into Bins that are made from the reference once and never change: deciles with open ends for numbers, the most
// frequent categories and "other" for the rest, and a bin for nulls. So the Windows of two days add up to the Window of both,
// exactly. A Baseline is such bins with the reference's own counts, in a form that can be stored.
//
// Measures of two Windows are functions of their counts (distance.go, chi_square.go); those that need the values themselves
// (Kolmogorov–Smirnov, Wasserstein) take them sorted. Each is defined by the formula in its comment, with its source; one that is not
// defined for the data at hand, such as for no values at all, is an Optional without a value, never NaN or an infinity.
//
// Judge makes the verdict of the score, a PSI whose empty bins weigh no more than the size of the sample bears out.
//
// It uses values of the registry, and profiles for baselines; it stores nothing and knows no clock.
package drift
