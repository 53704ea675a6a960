// Conversions between units of measure that patients and devices use, by their UCUM codes
// (https://ucum.org, table 3 and the customary units) and the common ways of writing them.
#pragma once

#include <optional>
#include <string_view>

namespace weir::clinical {

// The UCUM code that a way of writing a unit stands for: "lbs" is "[lb_av]", "Kg" is "kg". As given
// if it is not known.
std::string_view UnitCode(std::string_view written);

// `value` in `from`, expressed in `to` (either written in any way), rounded to six decimals unless
// the unit is the same. nullopt: not known, or not of the same dimension.
std::optional<double> Convert(double value, std::string_view from, std::string_view to);

}  // namespace weir::clinical
