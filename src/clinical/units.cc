#include "clinical/units.h"

#include <cmath>
#include <cstdint>

namespace weir::clinical {
namespace {

enum class Dimension : uint8_t { kMass, kLength, kTemperature, kTime, kVolume, kPressure, kEnergy };

// value × factor + offset is the value in the dimension's base unit.
struct Unit {
  std::string_view code;
  Dimension dimension;
  double factor;
  double offset = 0;
};

// Factors are exact by definition (international yard and pound, 1959; UCUM's customary units).
constexpr Unit kUnits[] = {
    {"kg", Dimension::kMass, 1000},
    {"g", Dimension::kMass, 1},
    {"mg", Dimension::kMass, 1e-3},
    {"ug", Dimension::kMass, 1e-6},
    {"[lb_av]", Dimension::kMass, 453.59237},
    {"[oz_av]", Dimension::kMass, 28.349523125},
    {"[stone_av]", Dimension::kMass, 6350.29318},
    {"km", Dimension::kLength, 1000},
    {"m", Dimension::kLength, 1},
    {"cm", Dimension::kLength, 0.01},
    {"mm", Dimension::kLength, 0.001},
    {"[in_i]", Dimension::kLength, 0.0254},
    {"[ft_i]", Dimension::kLength, 0.3048},
    {"[mi_i]", Dimension::kLength, 1609.344},
    {"K", Dimension::kTemperature, 1},
    {"Cel", Dimension::kTemperature, 1, 273.15},
    {"[degF]", Dimension::kTemperature, 5.0 / 9, 273.15 - 160.0 / 9},
    {"s", Dimension::kTime, 1},
    {"min", Dimension::kTime, 60},
    {"h", Dimension::kTime, 3600},
    {"d", Dimension::kTime, 86400},
    {"wk", Dimension::kTime, 604800},
    {"mo", Dimension::kTime, 2629800},  // UCUM: a twelfth of a Julian year
    {"a", Dimension::kTime, 31557600},
    {"L", Dimension::kVolume, 1},
    {"dL", Dimension::kVolume, 0.1},
    {"mL", Dimension::kVolume, 0.001},
    {"[foz_us]", Dimension::kVolume, 0.0295735295625},
    {"mm[Hg]", Dimension::kPressure, 133.322},
    {"kPa", Dimension::kPressure, 1000},
    {"Pa", Dimension::kPressure, 1},
    {"kcal", Dimension::kEnergy, 4184},
    {"kJ", Dimension::kEnergy, 1000},
};

struct Writing {
  std::string_view written;
  std::string_view code;
};

constexpr Writing kWritings[] = {
    {"Kg", "kg"},
    {"KG", "kg"},
    {"kilogram", "kg"},
    {"kilograms", "kg"},
    {"gram", "g"},
    {"grams", "g"},
    {"\u00b5g", "ug"},
    {"mcg", "ug"},
    {"lb", "[lb_av]"},
    {"lbs", "[lb_av]"},
    {"pound", "[lb_av]"},
    {"pounds", "[lb_av]"},
    {"oz", "[oz_av]"},
    {"ounce", "[oz_av]"},
    {"ounces", "[oz_av]"},
    {"st", "[stone_av]"},
    {"stone", "[stone_av]"},
    {"kilometer", "km"},
    {"kilometre", "km"},
    {"meter", "m"},
    {"metre", "m"},
    {"centimeter", "cm"},
    {"centimetre", "cm"},
    {"millimeter", "mm"},
    {"millimetre", "mm"},
    {"in", "[in_i]"},
    {"inch", "[in_i]"},
    {"inches", "[in_i]"},
    {"\"", "[in_i]"},
    {"ft", "[ft_i]"},
    {"foot", "[ft_i]"},
    {"feet", "[ft_i]"},
    {"mile", "[mi_i]"},
    {"miles", "[mi_i]"},
    {"C", "Cel"},
    {"\u00b0C", "Cel"},
    {"celsius", "Cel"},
    {"Celsius", "Cel"},
    {"F", "[degF]"},
    {"\u00b0F", "[degF]"},
    {"fahrenheit", "[degF]"},
    {"Fahrenheit", "[degF]"},
    {"sec", "s"},
    {"second", "s"},
    {"seconds", "s"},
    {"minute", "min"},
    {"minutes", "min"},
    {"hr", "h"},
    {"hour", "h"},
    {"hours", "h"},
    {"day", "d"},
    {"days", "d"},
    {"week", "wk"},
    {"weeks", "wk"},
    {"month", "mo"},
    {"months", "mo"},
    {"year", "a"},
    {"years", "a"},
    {"l", "L"},
    {"liter", "L"},
    {"litre", "L"},
    {"dl", "dL"},
    {"ml", "mL"},
    {"milliliter", "mL"},
    {"millilitre", "mL"},
    {"mmHg", "mm[Hg]"},
    {"mm Hg", "mm[Hg]"},
};

const Unit* FindUnit(std::string_view code) {
  for (const Unit& unit : kUnits) {
    if (unit.code == code) return &unit;
  }
  return nullptr;
}

}  // namespace

std::string_view UnitCode(std::string_view written) {
  for (const Writing& writing : kWritings) {
    if (writing.written == written) return writing.code;
  }
  return written;
}

std::optional<double> Convert(double value, std::string_view from, std::string_view to) {
  from = UnitCode(from);
  to = UnitCode(to);
  if (from == to) return value;
  const Unit* const source = FindUnit(from);
  const Unit* const target = FindUnit(to);
  if (source == nullptr || target == nullptr || source->dimension != target->dimension) {
    return std::nullopt;
  }
  const double converted =
      (value * source->factor + source->offset - target->offset) / target->factor;
  if (!std::isfinite(converted)) return std::nullopt;
  return std::abs(converted) < 1e9 ? std::round(converted * 1e6) / 1e6 : converted;
}

}  // namespace weir::clinical
