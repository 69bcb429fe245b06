package form_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ducatpay/ducat/internal/wire/stripe/form"
)

func mustParse(t *testing.T, body string) form.Value {
	t.Helper()
	v, err := form.Parse(body)
	if err != nil {
		t.Fatalf("Parse(%q): %v", body, err)
	}
	return v
}

func TestParseGrammar(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, body, json string
	}{
		{"Nothing", "", `{}`},
		{"Scalar", "a=1", `{"a":"1"}`},
		{"Hash", "metadata[order_id]=6735", `{"metadata":{"order_id":"6735"}}`},
		{
			"NestedHash", "evidence[enhanced_evidence][visa_compliance][x]=y",
			`{"evidence":{"enhanced_evidence":{"visa_compliance":{"x":"y"}}}}`,
		},
		{"AppendedList", "expand[]=customer&expand[]=invoice", `{"expand":["customer","invoice"]}`},
		{"IndexedList", "expand[0]=customer&expand[1]=invoice", `{"expand":["customer","invoice"]}`},
		{
			"IndexedListOfHashes", "items[0][price]=x&items[0][quantity]=1&items[1][price]=y",
			`{"items":[{"price":"x","quantity":"1"},{"price":"y"}]}`,
		},
		{
			"AppendedListOfHashes", "items[][price]=x&items[][quantity]=1&items[][price]=y",
			`{"items":[{"price":"x","quantity":"1"},{"price":"y"}]}`,
		},
		{"EmptyString", "a=", `{"a":""}`},
		{"EmptyList", "payment_method_types=", `{"payment_method_types":""}`},

		{"BracketsEscaped", "a%5Bb%5D%5bc%5d=1", `{"a":{"b":{"c":"1"}}}`},
		{"BracketsMixed", "a%5Bb]=1&a[c%5D=2", `{"a":{"b":"1","c":"2"}}`},
		{"SpaceAsPlus", "a+b=c+d", `{"a b":"c d"}`},
		{"SpaceEscaped", "a%20b=c%20d", `{"a b":"c d"}`},
		{"PlusEscaped", "a=1%2B1", `{"a":"1+1"}`},
		{"UTF8", "name=Zo%C3%AB&raw=Zoë", `{"name":"Zoë","raw":"Zoë"}`},
		{"EqualsInValue", "a=b=c", `{"a":"b=c"}`},
		{"SemicolonIsText", "a=1;b=2", `{"a":"1;b=2"}`},
		{"NoEquals", "a&b=1", `{"a":"","b":"1"}`},
		{"EmptyPairs", "&&a=1&", `{"a":"1"}`},
		{"AmpersandEscaped", "a=1%26b%3D2", `{"a":"1&b=2"}`},

		{"LastScalarWins", "a=1&b=2&a=3", `{"a":"3","b":"2"}`},
		{"LastScalarWinsNested", "a[b]=1&a[b]=2&c[0]=x&c[0]=y", `{"a":{"b":"2"},"c":["y"]}`},
		{"IndicesOrder", "a[10]=z&a[2]=y&a[0]=x", `{"a":["x","y","z"]}`},
		{"GapsClose", "a[3]=x&a[7]=y", `{"a":["x","y"]}`},
		{"LeadingZeroIsAName", "a[00]=x&a[0]=y", `{"a":{"00":"x","0":"y"}}`},
		{"LongNumberIsAName", "a[1234567890]=x", `{"a":{"1234567890":"x"}}`},
		{"NumberAmongNames", "metadata[0]=x&metadata[k]=y&metadata[1]=z", `{"metadata":{"0":"x","k":"y","1":"z"}}`},
		{"NumberAtTop", "0=a", `{"0":"a"}`},

		{"AppendedKeepsDuplicates", "a[]=x&a[]=x", `{"a":["x","x"]}`},
		{"AppendedEmptyString", "a[]=", `{"a":[""]}`},
		{
			"AppendedRepeatsNestedLeaf", "i[][p][c]=usd&i[][p][n]=1&i[][p][c]=eur",
			`{"i":[{"p":{"c":"usd","n":"1"}},{"p":{"c":"eur"}}]}`,
		},
		{
			"AppendedListInside", "i[][tags][]=a&i[][tags][]=b&i[][n]=1&i[][n]=2&i[][tags][]=c",
			`{"i":[{"tags":["a","b"],"n":"1"},{"n":"2","tags":["c"]}]}`,
		},
		{
			"IndexedListInside", "i[][tags][0]=a&i[][tags][1]=b&i[][tags][0]=c",
			`{"i":[{"tags":["a","b"]},{"tags":["c"]}]}`,
		},
		{"AppendedToIndexed", "i[0][t][]=a&i[0][t][]=b&i[1][t][]=c", `{"i":[{"t":["a","b"]},{"t":["c"]}]}`},
		{"AppendedLists", "a[][]=1&a[][]=2", `{"a":[["1","2"]]}`},
		{"AppendedMixed", "a[]=x&a[][k]=y&a[]=z", `{"a":["x",{"k":"y"},"z"]}`},
		{
			"HashReplacedByScalarStartsElement", "i[][a][b]=1&i[][a]=2",
			`{"i":[{"a":{"b":"1"}},{"a":"2"}]}`,
		},
		{"InterleavedKeepsFirstAppearance", "b[x]=1&a=2&b[y]=3", `{"b":{"x":"1","y":"3"},"a":"2"}`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := mustParse(t, c.body).JSON(); got != c.json {
				t.Errorf("Parse(%q) = %s, want %s", c.body, got, c.json)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	deepest := "a" + strings.Repeat("[b]", form.DepthMax-1)
	longest := strings.Repeat("k", form.KeyLenMax)
	many := strings.TrimSuffix(strings.Repeat("a[]=1&", form.KeysMax), "&")
	for _, body := range []string{deepest + "=1", longest + "=1", "a[" + longest + "]=1", many} {
		if _, err := form.Parse(body); err != nil {
			t.Errorf("Parse at the limit (%.40q…): %v", body, err)
		}
	}

	cases := []struct {
		name, body, param, message string
	}{
		{"TooDeep", deepest + "[c]=1", deepest + "[c]", "nested up to 8 levels"},
		{"TooDeepByAppending", deepest + "[]=1", deepest + "[]", "nested up to 8 levels"},
		{"TooMany", many + "&a[]=1", "", "up to 1000 parameters"},
		{"NameTooLong", longest + "k=1", strings.Repeat("k", 100), "up to 500 characters"},
		{"NestedNameTooLong", "a[" + longest + "k]=1", "a[" + strings.Repeat("k", 98), "up to 500 characters"},

		{"NameEmpty", "=1", "", "Invalid parameter name"},
		{"NameOnlyBrackets", "[a]=1", "[a]", "Invalid parameter name"},
		{"NameUnclosed", "a[b=1", "a[b", "Invalid parameter name"},
		{"NameOpensOnly", "a[=1", "a[", "Invalid parameter name"},
		{"NameClosesOnly", "a]=1", "a]", "Invalid parameter name"},
		{"NameTextAfterBracket", "a[b]c=1", "a[b]c", "Invalid parameter name"},
		{"NameBracketInside", "metadata[a[b]]=1", "metadata[a[b]]", "Invalid parameter name"},

		{"PercentInName", "a%zz=1", "a%zz", "percent-encoding"},
		{"PercentInValue", "a[b]=%", "a[b]", "percent-encoding"},
		{"PercentCut", "a=%4", "a", "percent-encoding"},
		{"UTF8InName", "a%ff=1", "a%ff", "UTF-8"},
		{"UTF8RawInName", "a\xff=1", "a", "UTF-8"},
		{"UTF8InValue", "a=%c3%28", "a", "UTF-8"},
		{"UTF8Surrogate", "a=%ed%a0%80", "a", "UTF-8"},
		{"NULInName", "a%00=1", "a%00", "NUL"},
		{"NULInValue", "a[]=x%00", "a[]", "NUL"},

		{"ScalarThenHash", "a=1&a[b]=2", "a", "Invalid object"},
		{"HashThenScalar", "a[b]=2&a=1", "a", "Invalid object"},
		{"ScalarThenList", "a=1&a[]=2", "a", "Invalid array"},
		{"ListThenScalar", "a[]=2&a=1", "a", "Invalid array"},
		{"ScalarThenIndexed", "a=1&a[0]=2", "a", "Invalid array"},
		{"IndexedThenScalar", "a[0]=2&a=1", "a", "Invalid array"},
		{"HashThenList", "a[b]=1&a[]=2", "a", "Invalid array"},
		{"ListThenHash", "a[]=1&a[b]=2&a[]=3", "a", "Invalid array"},
		{"IndexedThenAppended", "a[0]=1&a[]=2", "a", "Invalid array"},
		{"AppendedThenIndexed", "a[]=1&a[0]=2", "a", "Invalid array"},
		{"DeepConflict", "a[b][c]=1&a[b][c][d]=2", "a[b][c]", "Invalid object"},
		{"ConflictInElement", "i[][a]=1&i[][a][b]=2", "i[][a]", "Invalid object"},
		{"ElementHashThenList", "i[][a]=1&i[][]=2", "i[]", "Invalid array"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v, err := form.Parse(c.body)
			e, ok := errors.AsType[*form.Error](err)
			if !ok {
				t.Fatalf("Parse(%.60q) = %s, %v; want a *form.Error", c.body, v.JSON(), err)
			}
			if e.Param != c.param || !strings.Contains(e.Message, c.message) {
				t.Errorf("Parse(%.60q): param %q, message %q; want param %q, message with %q",
					c.body, e.Param, e.Message, c.param, c.message)
			}
			if v.Kind() != form.Missing {
				t.Errorf("Parse(%.60q) returned a value beside its error", c.body)
			}
			if !strings.Contains(e.Error(), e.Message) || !strings.Contains(e.Error(), e.Param) {
				t.Errorf("Error() = %q, want it to hold param and message", e.Error())
			}
		})
	}
}

func TestValue(t *testing.T) {
	t.Parallel()
	v := mustParse(t, "s=text&h[b]=1&h[a]=2&l[]=x&l[]=y&i[5]=q&i[2]=p")

	t.Run("Kind", func(t *testing.T) {
		t.Parallel()
		for name, want := range map[string]form.Kind{
			"s": form.Scalar, "h": form.Hash, "l": form.List, "i": form.List, "nope": form.Missing,
		} {
			if got := v.Get(name).Kind(); got != want {
				t.Errorf("Kind of %s = %v, want %v", name, got, want)
			}
		}
		if got, want := v.Kind(), form.Hash; got != want {
			t.Errorf("Kind of the root = %v, want %v", got, want)
		}
	})

	t.Run("KeysKeepOrder", func(t *testing.T) {
		t.Parallel()
		for name, want := range map[string][]string{
			"h": {"b", "a"}, "i": {"5", "2"}, "l": nil, "s": nil, "nope": nil,
		} {
			if got := slices.Collect(v.Get(name).Keys()); !slices.Equal(got, want) {
				t.Errorf("Keys of %s = %q, want %q", name, got, want)
			}
		}
		if got, want := slices.Collect(v.Keys()), []string{"s", "h", "l", "i"}; !slices.Equal(got, want) {
			t.Errorf("Keys of the root = %q, want %q", got, want)
		}
	})

	t.Run("Items", func(t *testing.T) {
		t.Parallel()
		for name, want := range map[string]string{"l": "[x y]", "i": "[p q]", "h": "[]", "s": "[]", "nope": "[]"} {
			if got := fmt.Sprint(v.Get(name).Items()); got != want {
				t.Errorf("Items of %s = %s, want %s", name, got, want)
			}
		}
	})

	t.Run("String", func(t *testing.T) {
		t.Parallel()
		for name, want := range map[string]string{
			"s": "text", "h": `{"b":"1","a":"2"}`, "l": `["x","y"]`, "nope": "",
		} {
			if got := v.Get(name).String(); got != want {
				t.Errorf("String of %s = %q, want %q", name, got, want)
			}
		}
	})

	t.Run("MissingChains", func(t *testing.T) {
		t.Parallel()
		if got := v.Get("nope").Get("deeper").Get("still").Kind(); got != form.Missing {
			t.Errorf("Kind = %v, want missing", got)
		}
		if got := v.Get("s").Get("below").Kind(); got != form.Missing {
			t.Errorf("Kind below a scalar = %v, want missing", got)
		}
	})

	t.Run("JSONEscapes", func(t *testing.T) {
		t.Parallel()
		v := mustParse(t, "a[b]=%22%3Cx%3E%26%0A")
		if got, want := v.Get("a").JSON(), `{"b":"\"<x>&\n"}`; got != want {
			t.Errorf("JSON = %s, want %s", got, want)
		}
	})
}

// TestManyNames: what holds for a few names holds for a thousand, which are found
// in another way.
func TestManyNames(t *testing.T) {
	t.Parallel()
	for _, n := range []int{15, 16, 17, 18, 500} {
		var top, hash, list []string
		for i := range n {
			top = append(top, fmt.Sprintf("k%d=was&k%d=%d", i, i, i))
			hash = append(hash, fmt.Sprintf("h[k%d][x]=%d", i, i))
			list = append(list, fmt.Sprintf("l[%d]=%d", n-1-i, n-1-i))
		}
		v, hashes := mustParse(t, strings.Join(top, "&")), mustParse(t, strings.Join(hash, "&")+"&h[k0][y]=z")
		renamed, merged := v.Renamed("k3", "other"), form.Merge(v, mustParse(t, "k0=anew&last=1"))
		for i := range n {
			name, want := fmt.Sprintf("k%d", i), fmt.Sprint(i)
			if got := v.Get(name).String(); got != want {
				t.Errorf("%d names: %s is %q, want %q", n, name, got, want)
			}
			if got := hashes.Get("h").Get(name).Get("x").String(); got != want {
				t.Errorf("%d names: x of %s is %q, want %q", n, name, got, want)
			}
			if got := renamed.Get(name).String(); got != want && i != 3 {
				t.Errorf("%d names: %s is %q when another is renamed, want %q", n, name, got, want)
			}
			if got := merged.Get(name).String(); got != want && i != 0 {
				t.Errorf("%d names: %s is %q when merged, want %q", n, name, got, want)
			}
		}
		if got := len(slices.Collect(v.Keys())); got != n {
			t.Errorf("%d names: %d are told", n, got)
		}
		if v.Get("k").Kind() != form.Missing || renamed.Get("k3").Kind() != form.Missing {
			t.Errorf("%d names: what nobody sent is there", n)
		}
		if got := renamed.Get("other").String() + merged.Get("k0").String() + merged.Get("last").String() + hashes.Get("h").Get("k0").Get("y").String(); got != "3anew1z" {
			t.Errorf("%d names: renamed, merged and placed in turn give %q", n, got)
		}
		for i, item := range mustParse(t, strings.Join(list, "&")).Get("l").Items() {
			if item.String() != fmt.Sprint(i) {
				t.Errorf("%d indices: item %d is %s", n, i, item)
			}
		}
	}
}

func TestAsHash(t *testing.T) {
	t.Parallel()
	v := mustParse(t, "metadata[7]=x&metadata[0]=y&h[k]=1&l[]=z&s=1")
	cases := []struct {
		name, json string
		ok         bool
	}{
		{"metadata", `{"7":"x","0":"y"}`, true},
		{"h", `{"k":"1"}`, true},
		{"l", "", false},
		{"s", "", false},
		{"nope", "", false},
	}
	for _, c := range cases {
		got, ok := v.Get(c.name).AsHash()
		if ok != c.ok || got.JSON() != c.json {
			t.Errorf("AsHash of %s = %s, %v; want %s, %v", c.name, got.JSON(), ok, c.json, c.ok)
		}
		if ok && got.Kind() != form.Hash {
			t.Errorf("AsHash of %s has kind %v", c.name, got.Kind())
		}
	}
	if got := v.Get("metadata").Kind(); got != form.List {
		t.Errorf("AsHash changed the value it read: kind %v, want list", got)
	}
}

func TestMerge(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, a, b, json string
	}{
		{"Both", "a=1", "b=2", `{"a":"1","b":"2"}`},
		{"SecondWins", "a=1&b=2", "a=3", `{"a":"3","b":"2"}`},
		{"WholeParameter", "m[a]=1&m[b]=2", "m[c]=3", `{"m":{"c":"3"}}`},
		{"OtherShape", "a[b]=1", "a=2", `{"a":"2"}`},
		{"FirstEmpty", "", "a=1", `{"a":"1"}`},
		{"SecondEmpty", "a=1", "", `{"a":"1"}`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a, b := mustParse(t, c.a), mustParse(t, c.b)
			wasA, wasB := a.JSON(), b.JSON()
			if got := form.Merge(a, b).JSON(); got != c.json {
				t.Errorf("Merge = %s, want %s", got, c.json)
			}
			if a.JSON() != wasA || b.JSON() != wasB {
				t.Errorf("Merge changed what it was given")
			}
		})
	}

	t.Run("Missing", func(t *testing.T) {
		t.Parallel()
		if got, want := form.Merge(form.Value{}, form.Value{}).JSON(), `{}`; got != want {
			t.Errorf("Merge of nothing = %s, want %s", got, want)
		}
	})

	t.Run("ScalarIsABug", func(t *testing.T) {
		t.Parallel()
		defer func() {
			if recover() == nil {
				t.Errorf("Merge of a scalar did not panic")
			}
		}()
		form.Merge(mustParse(t, "a=1").Get("a"), form.Value{})
	})
}

func TestCanonical(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, a, b string
		same       bool
	}{
		{"KeyOrder", "a=1&b=2", "b=2&a=1", true},
		{"NestedKeyOrder", "m[a]=1&x=0&m[b]=2", "x=0&m[b]=2&m[a]=1", true},
		{"Brackets", "m[a]=1", "m%5Ba%5D=1", true},
		{"Escapes", "a=b+c", "%61=b%20c", true},
		{"AppendedIsIndexed", "l[]=x&l[]=y", "l[1]=y&l[0]=x", true},
		{"AppendedHashesAreIndexed", "i[][a]=1&i[][b]=2&i[][a]=3", "i[0][b]=2&i[1][a]=3&i[0][a]=1", true},
		{"OverriddenScalar", "a=1&a=2", "a=2", true},
		{"NoEquals", "a", "a=", true},

		{"ItemOrder", "l[]=x&l[]=y", "l[]=y&l[]=x", false},
		{"MetadataNumber", "metadata[1]=x", "metadata[2]=x", false},
		{"EmptyIsNotMissing", "a=", "", false},
		{"Value", "a=1", "a=2", false},
		{"NotConfusedByAmpersand", "a=1%26b%3D2", "a=1&b=2", false},
		{"NotConfusedByBrackets", "a[b]=1", "a=%5Bb%5D1", false},
		{"NestingMatters", "a[b][c]=1", "a[b]=c&d=1", false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a, b := mustParse(t, c.a).Canonical(), mustParse(t, c.b).Canonical()
			if (a == b) != c.same {
				t.Errorf("canonical %q and %q: same is %v, want %v", a, b, a == b, c.same)
			}
		})
	}

	t.Run("Parts", func(t *testing.T) {
		t.Parallel()
		v := mustParse(t, "s=x&l[]=x&h[x]=x")
		seen := map[string]string{}
		for _, k := range append(slices.Collect(v.Keys()), "missing") {
			c := v.Get(k).Canonical()
			if other, ok := seen[c]; ok {
				t.Errorf("%s and %s have the same canonical form %q", k, other, c)
			}
			seen[c] = k
		}
	})
}

func TestEncode(t *testing.T) {
	t.Parallel()
	v := mustParse(t, "b[y]=1+%26&b[x]=2&l[]=p&l[]=q&m[7]=r&e=")
	if got, want := form.Encode(v), "b[y]=1+%26&b[x]=2&l[0]=p&l[1]=q&m[7]=r&e="; got != want {
		t.Errorf("Encode = %s, want %s", got, want)
	}
	if got, want := form.Encode(form.Value{}), ""; got != want {
		t.Errorf("Encode of nothing = %q, want %q", got, want)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "a=1", "a[b][c]=1", "a[]=1&a[]=2", "a[0]=1&a[7]=2", "a[][k]=1&a[][l]=2&a[][k]=3",
		"a=&b", "a=1&a[b]=2", "%5B=1", "a%5Bb%5D=%C3%AB+%00", "a[][t][]=1&a[][t][]=2&a[][n]=1&a[][n]=2",
		"a[1]=x&a[k]=y&a[]=z", "a[b][c][d][e][f][g][h]=1", "a[[]]=1", "metadata[0]=x&metadata[00]=y",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		v, err := form.Parse(body)
		if err != nil {
			e, ok := errors.AsType[*form.Error](err)
			if !ok || e.Message == "" || v.Kind() != form.Missing {
				t.Fatalf("Parse(%q) = %s, %#v; want an *Error with a message and no value", body, v.JSON(), err)
			}
			return
		}
		checkTree(t, v)
		again := reparse(t, form.Encode(v))
		if got, want := again.JSON(), v.JSON(); got != want {
			t.Fatalf("JSON after re-encoding %q: %s, want %s", body, got, want)
		}
		if got, want := again.Canonical(), v.Canonical(); got != want {
			t.Fatalf("Canonical after re-encoding %q: %q, want %q", body, got, want)
		}
		if got, want := reparse(t, v.Canonical()).Canonical(), v.Canonical(); got != want {
			t.Fatalf("Canonical of Canonical of %q: %q, want %q", body, got, want)
		}
		if got, want := form.Merge(v, v).Canonical(), v.Canonical(); got != want {
			t.Fatalf("Merge of %q with itself: %q, want %q", body, got, want)
		}
	})
}

func reparse(t *testing.T, body string) form.Value {
	t.Helper()
	v, err := form.Parse(body)
	if err != nil {
		t.Fatalf("Parse of our own encoding %q: %v", body, err)
	}
	return v
}

// checkTree checks that every node below the root holds something, at a depth
// within the limit, and that the total stays within the limit on pairs.
func checkTree(t *testing.T, root form.Value) {
	t.Helper()
	if root.Kind() != form.Hash {
		t.Fatalf("the root is a %v, want a hash", root.Kind())
	}
	leaves := 0
	var walk func(v form.Value, level int)
	walk = func(v form.Value, level int) {
		if level > form.DepthMax {
			t.Fatalf("a value at level %d, want at most %d", level, form.DepthMax)
		}
		switch v.Kind() {
		case form.Scalar:
			leaves++
		case form.List:
			if len(v.Items()) == 0 {
				t.Fatalf("an empty list at level %d", level)
			}
			for _, item := range v.Items() {
				walk(item, level+1)
			}
		case form.Hash:
			if len(slices.Collect(v.Keys())) == 0 && level > 0 {
				t.Fatalf("an empty hash at level %d", level)
			}
			for k := range v.Keys() {
				walk(v.Get(k), level+1)
			}
		case form.Missing:
			t.Fatalf("a missing value inside the tree at level %d", level)
		}
	}
	walk(root, 0)
	if leaves > form.KeysMax {
		t.Fatalf("%d leaves, want at most %d", leaves, form.KeysMax)
	}
}

// TestRenamed: a parameter of another name, unless that is there already.
func TestRenamed(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		"card=a&x=b":        `{"source":"a","x":"b"}`,
		"x=b":               `{"x":"b"}`,
		"card=a&source=b":   `{"card":"a","source":"b"}`,
		"card[name]=a":      `{"source":{"name":"a"}}`,
		"source=b&amount=1": `{"source":"b","amount":"1"}`,
	} {
		v, err := form.Parse(body)
		if err != nil {
			t.Fatal(err)
		}
		if got := v.Renamed("card", "source").JSON(); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
}
