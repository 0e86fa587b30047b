package table

import (
	"math/big"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"featurestore/modules/registry/value"
)

// nestedCells makes arrays of lists, and JSON of structures and maps.
func (a *arena) nestedCells(name string, dt arrow.DataType, depth int) (bindArray, Column, error) {
	column := Column{Name: name, Type: value.JSON}
	switch dt := dt.(type) {
	case *arrow.StructType:
		bind, err := a.structCells(name, dt, depth)
		return bind, column, err
	case *arrow.MapType:
		bind, err := a.mapCells(name, dt, depth)
		return bind, column, err
	}
	element := dt.(arrow.ListLikeType).Elem()
	bind, inner, err := a.cellsOf(name, element, depth)
	if err != nil {
		return nil, column, err
	}
	column.Type = arrayOf(inner.Type)
	return func(arr arrow.Array) cellOf[int] {
		list := arr.(array.ListLike)
		cellAt := bind(list.ListValues())
		var elements []Cell
		return func(i int) (Cell, string) {
			if list.IsNull(i) {
				return NullCell(), ""
			}
			start, end := list.ValueOffsets(i)
			if end-start > longestArrow {
				return Cell{}, "the array has too many elements"
			}
			elements = elements[:0]
			for at := start; at < end; at++ {
				cell, reason := cellAt(int(at))
				if reason != "" {
					return Cell{}, reason
				}
				elements = append(elements, cell)
			}
			return arrayCell(elements, inner.Type), ""
		}
	}, column, nil
}

func (a *arena) structCells(name string, dt *arrow.StructType, depth int) (bindArray, error) {
	binds := make([]bindArray, dt.NumFields())
	for i, field := range dt.Fields() {
		var err error
		if binds[i], _, err = a.cellsOf(name+"."+field.Name, field.Type, depth); err != nil {
			return nil, err
		}
	}
	return func(arr arrow.Array) cellOf[int] {
		structure := arr.(*array.Struct)
		members := make([]cellOf[int], len(binds))
		for i, bind := range binds {
			members[i] = bind(structure.Field(i))
		}
		return func(i int) (Cell, string) {
			if structure.IsNull(i) {
				return NullCell(), ""
			}
			b := []byte{'{'}
			for m, cellAt := range members {
				if m > 0 {
					b = append(b, ',')
				}
				cell, reason := cellAt(i)
				if reason != "" {
					return Cell{}, reason
				}
				b = append(value.AppendJSONString(b, dt.Field(m).Name), ':')
				b = appendJSON(b, &cell, value.Invalid)
			}
			return nestedCell(string(append(b, '}')))
		}
	}, nil
}

// mapCells writes a map as an object, whose names are the text of its keys.
func (a *arena) mapCells(name string, dt *arrow.MapType, depth int) (bindArray, error) {
	bindKey, _, err := a.cellsOf(name, dt.KeyType(), depth)
	if err != nil {
		return nil, err
	}
	bindItem, _, err := a.cellsOf(name, dt.ItemType(), depth)
	if err != nil {
		return nil, err
	}
	return func(arr arrow.Array) cellOf[int] {
		entries := arr.(*array.Map)
		keyAt, itemAt := bindKey(entries.Keys()), bindItem(entries.Items())
		return func(i int) (Cell, string) {
			if entries.IsNull(i) {
				return NullCell(), ""
			}
			start, end := entries.ValueOffsets(i)
			if end-start > longestArrow {
				return Cell{}, "the map has too many entries"
			}
			b := []byte{'{'}
			for at := start; at < end; at++ {
				if at > start {
					b = append(b, ',')
				}
				key, reason := keyAt(int(at))
				if reason != "" {
					return Cell{}, reason
				}
				item, reason := itemAt(int(at))
				if reason != "" {
					return Cell{}, reason
				}
				b = append(value.AppendJSONString(b, keyText(key)), ':')
				b = appendJSON(b, &item, value.Invalid)
			}
			return nestedCell(string(append(b, '}')))
		}
	}, nil
}

func smallDecimal(scale int) cellOf[int64] {
	return func(unscaled int64) (Cell, string) { return decimalCell(big.NewInt(unscaled), scale) }
}

func bigDecimal(scale int) cellOf[*big.Int] {
	return func(unscaled *big.Int) (Cell, string) { return decimalCell(unscaled, scale) }
}
