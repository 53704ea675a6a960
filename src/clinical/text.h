// What text is for cleansing: the same on every machine, whatever its locale. Bytes that are not
// UTF-8 are kept as they are. Pure; any thread.
#pragma once

#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace weir::clinical {

// Without the white space (Unicode White_Space, and the zero-width space and byte order mark that
// editors and keyboards leave behind) at both ends.
std::string_view Trim(std::string_view text);

// Inside, each white space other than a line break or tab becomes an ordinary space, and what has
// no width goes.
std::string PlainSpaces(std::string_view text);
bool HasOddSpaces(std::string_view text);

// The form in which display texts are compared: trimmed, runs of white space as one space, letters
// in lower case (ASCII, Latin-1, Latin Extended-A, Greek, Cyrillic: Unicode's simple folding).
std::string Fold(std::string_view text);

// A number as people write it: "2", " 2 ", "+2.50", "2,5". A comma is a decimal comma only if it is
// the only separator; "1,234" and "1.234,5" are ambiguous and stand for nothing.
struct WrittenNumber {
  double value = 0;
  bool decimal_comma = false;
  std::string_view rest;  // what follows the number, trimmed: a unit
};
std::optional<WrittenNumber> ReadNumber(std::string_view text);

// Shortest form that reads back the same: "2", "20.5".
std::string FormatNumber(double value);

// ASCII letters compared without case.
bool EqualsIgnoringCase(std::string_view a, std::string_view b);
std::string LowerCase(std::string_view text);  // ASCII

// The word of `known` with the smallest edit distance to `word`.
std::string_view Nearest(std::string_view word, std::span<const std::string_view> known);

// Whether `text` names an existing day, "2026", "2026-11" or "2026-11-24" (FHIR date).
bool IsDate(std::string_view text);
// A FHIR date, or dateTime with an offset or Z.
bool IsDateTime(std::string_view text);
// "10:00", "10:00:00", "10:00:00.5".
bool IsTimeOfDay(std::string_view text);

}  // namespace weir::clinical
