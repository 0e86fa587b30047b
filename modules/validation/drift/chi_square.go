package drift

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// Test is the outcome of a statistical test: the p-value is the probability of a statistic at least as large if nothing has changed.
type Test struct {
	Statistic, PValue Optional
	Freedom           int // degrees of freedom; 0 where the test has none
}

// ChiSquare is Pearson's test of homogeneity of two samples in the same bins: with n, m observations and counts aᵢ, bᵢ
//
//	Σ (aᵢ √(m/n) − bᵢ √(n/m))² / (aᵢ + bᵢ)
//
// over the bins that are not empty on both sides, B of them, against χ² with B−1 degrees of freedom (K. Pearson, Phil. Mag. 50, 1900, and
// Biometrika 8, 1911). It is the χ² of the contingency table with two rows, without Yates' correction, and an approximation where fewer than 5 observations
// are expected in a bin. None if either side is empty, or if there is one bin only.
func ChiSquare(reference, current []int64) Test { return homogeneity(reference, current, 0) }

// ChiSquareYates is ChiSquare with Yates' correction, by which other programs mean the χ² of two categories: each observed count is
// taken to be nearer to the expected one by ½, or by the whole difference if that is less (F. Yates, "Contingency tables involving small
// numbers and the χ² test", Suppl. J. R. Stat. Soc. 1, 1934). None unless there are exactly two bins.
func ChiSquareYates(reference, current []int64) Test {
	if occupied(reference, current) != 2 {
		return Test{}
	}
	return homogeneity(reference, current, 0.5)
}

func homogeneity(reference, current []int64, correction float64) Test {
	n, m, b := float64(total(reference)), float64(total(current)), occupied(reference, current)
	if n == 0 || m == 0 || b < 2 {
		return Test{}
	}
	sum := 0.0
	for i := range reference {
		both := float64(reference[i]) + float64(current[i])
		if both == 0 {
			continue
		}
		expected := both * m / (n + m)
		off := math.Abs(float64(current[i]) - expected)
		off -= min(off, correction)
		sum += off * off * (1/expected + 1/(both*n/(n+m)))
	}
	return chiSquared(sum, b-1)
}

// ChiSquareFit is Pearson's test of fit of the current counts bᵢ, m in all, to the shares pᵢ of the reference as if these were known
// exactly: Σ (bᵢ − m pᵢ)² / (m pᵢ), with as many degrees of freedom as the reference has bins that are not empty, less 1. This is the test
// that Evidently makes for categories; since it takes the reference for exact, it alarms too early where that is small. None where something is
// in a bin that the reference has empty, and as with ChiSquare.
func ChiSquareFit(reference, current []int64) Test {
	n, m := float64(total(reference)), float64(total(current))
	if n == 0 || m == 0 {
		return Test{}
	}
	sum, bins := 0.0, 0
	for i := range reference {
		switch {
		case reference[i] > 0:
			expected := float64(reference[i]) / n * m
			off := float64(current[i]) - expected
			sum += off * off / expected
			bins++
		case current[i] > 0:
			return Test{}
		}
	}
	if bins < 2 {
		return Test{}
	}
	return chiSquared(sum, bins-1)
}

func chiSquared(statistic float64, freedom int) Test {
	p := distuv.ChiSquared{K: float64(freedom)}.Survival(statistic)
	return Test{Statistic: known(statistic), PValue: known(p), Freedom: freedom}
}

// occupied is the number of bins that are not empty on both sides.
func occupied(reference, current []int64) int {
	bins := 0
	for i := range reference {
		if reference[i]+current[i] > 0 {
			bins++
		}
	}
	return bins
}
