#include "clinical/text.h"

#include <gtest/gtest.h>

#include "clinical/units.h"

namespace weir::clinical {
namespace {

TEST(Trim, TakesEverySpaceOfUnicode) {
  EXPECT_EQ(Trim(" \t\r\n a b \u00a0"), "a b");
  EXPECT_EQ(Trim("\ufeff\u200b\u3000\u2003é\u202f\u2028"), "é");
  EXPECT_EQ(Trim("\u00a0\u00a0"), "");
  EXPECT_EQ(Trim("\xff \xa0"), "\xff \xa0");  // not UTF-8: no space either
}

TEST(Fold, ComparesAsReadersDo) {
  EXPECT_EQ(Fold("  Several \u00a0 DAYS\n"), "several days");
  EXPECT_EQ(Fold("ÉTÉ Łódź ŽIVOT ΟΔΌΣ МИР Ёж"), Fold("été łódź život οδΌσ мир ёж"));
  EXPECT_EQ(Fold("a\u200bb"), "ab");
  EXPECT_NE(Fold("×"), Fold("÷"));
}

TEST(PlainSpaces, KeepsLineBreaks) {
  EXPECT_TRUE(HasOddSpaces("a\u00a0b"));
  EXPECT_FALSE(HasOddSpaces("a b\nc\td é"));
  EXPECT_EQ(PlainSpaces("a\u00a0b\u200bc\nd"), "a bc\nd");
}

TEST(ReadNumber, ReadsWhatPeopleWrite) {
  const auto value = [](std::string_view text) -> std::optional<double> {
    const auto number = ReadNumber(text);
    if (!number || !number->rest.empty()) return std::nullopt;
    return number->value;
  };
  EXPECT_EQ(value("2"), 2);
  EXPECT_EQ(value("\u00a0+2.50 "), 2.5);
  EXPECT_EQ(value("-0,5"), -0.5);
  EXPECT_EQ(value("0,125"), 0.125);
  EXPECT_TRUE(ReadNumber("37,5")->decimal_comma);
  // A thousand and two hundred, or one and a fifth?
  for (const char* text :
       {"1,200", "1.200,5", "1,200,000", "", "-", ".", "two", "1.", ",5", "+-1", "++1"}) {
    EXPECT_EQ(value(text), std::nullopt) << text;
  }
  EXPECT_EQ(ReadNumber("70 kg")->rest, "kg");
  EXPECT_EQ(ReadNumber(std::string(100, '1')), std::nullopt);
}

TEST(Units, ConvertsByDefinition) {
  EXPECT_EQ(Convert(154, "lb", "kg"), 69.853225);
  EXPECT_EQ(Convert(5.5, "[ft_i]", "cm"), 167.64);
  EXPECT_EQ(Convert(98.6, "[degF]", "Cel"), 37);
  EXPECT_EQ(Convert(37, "°C", "F"), 98.6);
  EXPECT_EQ(Convert(0, "Cel", "K"), 273.15);
  EXPECT_EQ(Convert(10000, "m", "km"), 10);
  EXPECT_EQ(Convert(90, "min", "h"), 1.5);
  EXPECT_EQ(Convert(0.1 + 0.2, "Kg", "kg"), 0.1 + 0.2);  // the same unit: the same number
  EXPECT_EQ(Convert(1, "{score}", "{score}"), 1);
  EXPECT_EQ(Convert(1, "kg", "cm"), std::nullopt);
  EXPECT_EQ(Convert(1, "kg", ""), std::nullopt);
  EXPECT_EQ(Convert(1, "cubit", "m"), std::nullopt);
}

TEST(Dates, AreThoseOfFhir) {
  for (const char* date : {"2026", "2026-11", "2026-11-24", "2024-02-29"}) {
    EXPECT_TRUE(IsDate(date)) << date;
    EXPECT_TRUE(IsDateTime(date)) << date;
  }
  for (const char* text :
       {"", "26", "2026-13", "2026-02-29", "24.11.2026", "2026-11-24T10:00:00Z"}) {
    EXPECT_FALSE(IsDate(text)) << text;
  }
  EXPECT_TRUE(IsDateTime("2026-11-24T10:00:00+02:00"));
  EXPECT_TRUE(IsTimeOfDay("10:00"));
  EXPECT_TRUE(IsTimeOfDay("10:00:00.25"));
  EXPECT_FALSE(IsTimeOfDay("25:00:00"));
}

TEST(Nearest, NamesTheLikeliestKey) {
  constexpr std::string_view kKnown[] = {"bands", "risk", "total", "version"};
  EXPECT_EQ(Nearest("band", kKnown), "bands");
  EXPECT_EQ(Nearest("verison", kKnown), "version");
}

}  // namespace
}  // namespace weir::clinical
