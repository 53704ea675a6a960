#include "services/epro/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::epro {
namespace {

using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;

ParsedReport Parse(std::string_view body) { return ParseReport(body, {}); }

std::vector<std::string> Paths(const ParsedReport& parsed) {
  std::vector<std::string> paths;
  for (const auto& problem : parsed.problems) paths.push_back(problem.path);
  return paths;
}

TEST(ParseReport, TakesTheShortFormAsItIs) {
  const auto parsed = Parse(R"({"report_id":"r1","patient_id":"p1","data":"free text"})");
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed.report.report_id, "r1");
  EXPECT_EQ(parsed.report.patient_id, "p1");
  EXPECT_EQ(parsed.report.study_id, "default");
  EXPECT_EQ(parsed.report.data_json, R"("free text")");
}

TEST(ParseReport, ReadsEveryFieldAndKeepsUnknownOnes) {
  const auto parsed = Parse(R"( {"x":{"y":[1]},"data" : {"44250-9":"LA6569-3","b":[{}]} ,
      "report_id":"r\u00e9","patient_id":"p","study_id":"s","site_id":"t","doctor_id":"d",
      "instrument":"phq9","authored_at":"2026-11-24T08:30:00+01:00"} )");
  ASSERT_TRUE(parsed.ok()) << parsed.malformed;
  EXPECT_EQ(parsed.report.report_id, "ré");
  EXPECT_EQ(parsed.report.study_id, "s");
  EXPECT_EQ(parsed.report.site_id, "t");
  EXPECT_EQ(parsed.report.doctor_id, "d");
  EXPECT_EQ(parsed.report.instrument, "phq9");
  EXPECT_EQ(parsed.report.authored_ms, 1'795'505'400'000);
  EXPECT_EQ(parsed.report.data_json, R"({"44250-9":"LA6569-3","b":[{}]})");
}

TEST(ParseReport, FindsDataUnderANameWrittenWithEscapes) {
  const auto parsed =
      Parse(R"({"report_id":"r","patient_id":"p","x":{"data":1},"d\u0061ta":{"a":2} })");
  ASSERT_TRUE(parsed.ok()) << parsed.malformed;
  EXPECT_EQ(parsed.report.data_json, R"({"a":2})");
}

TEST(ParseReport, NamesEveryOffendingFieldAtOnce) {
  EXPECT_THAT(Paths(Parse("{}")), ElementsAre("report_id", "patient_id", "data"));
  EXPECT_THAT(Paths(Parse(R"({"report_id":1,"patient_id":"","data":[],"authored_at":"noon"})")),
              ElementsAre("report_id", "patient_id", "data", "authored_at"));
  EXPECT_THAT(Paths(Parse(R"({"report_id":"a\u0000b","patient_id":")" + std::string(129, 'x') +
                          R"(","data":""})")),
              ElementsAre("report_id", "patient_id"));
  for (const char* control : {"\\u001f", "\x7f", "\xc2\x80", "\\u0085", "\xc2\x9f"}) {
    EXPECT_THAT(Paths(Parse(R"({"report_id":"a)" + std::string(control) +
                            "\",\"patient_id\":\"\xc2\xa0\xc3\x80\",\"data\":\"\"}")),
                ElementsAre("report_id"))
        << control;
  }
  EXPECT_THAT(Parse(R"({"report_id":"a","report_id":"b","patient_id":"p","data":""})").problems,
              ElementsAre(Field(&FieldProblem::detail, HasSubstr("twice"))));
}

TEST(ParseReport, TakesNullForWhatMayBeLeftOut) {
  const auto parsed =
      Parse(R"({"report_id":"r","patient_id":"p","data":"","study_id":null,"site_id":null})");
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed.report.study_id, "default");
}

TEST(ParseReport, RefusesWhatIsNotOneJsonObject) {
  for (const char* body :
       {"", " ", "x", "[]", "\"r\"", "{", R"({"report_id":"r","patient_id":"p","data":"x"}})",
        R"({"report_id":"r","patient_id":"p","data":{"a":01}})",
        R"({"report_id":"r","patient_id":"p","data":{"a":tru}})",
        "{\"report_id\":\"r\",\"patient_id\":\"p\",\"data\":\"\xff\"}"}) {
    EXPECT_FALSE(Parse(body).malformed.empty()) << body;
  }
}

std::string WithNumber(const std::string& number) {
  return R"({"report_id":"r","patient_id":"p","data":{"a":)" + number +
         R"(},"say":"\"1e999 and 01\\","n":[)" + number + "]}";
}

TEST(ParseReport, TakesNumbersOfAnySize) {
  for (const char* number :
       {"123456789012345678901", "-1e999", "0.1E+400", "-0", "1e-999", "18446744073709551616.5"}) {
    const std::string body = WithNumber(number);
    const ParsedReport parsed = Parse(body);
    ASSERT_TRUE(parsed.ok()) << number << ": " << parsed.malformed;
    EXPECT_EQ(parsed.report.report_id, "r");
    EXPECT_EQ(parsed.report.data_json, R"({"a":)" + std::string(number) + "}");
  }
}

TEST(ParseReport, SaysWhatIsWrongWithANumber) {
  for (const char* number : {"01", "1e", "-", "1.", "1e+", "--1", "123456789012345678901.", "1-1",
                             "-a", "99999999999999999999 01"}) {
    EXPECT_FALSE(Parse(WithNumber(number)).malformed.empty()) << number;
  }
  EXPECT_THAT(Parse(WithNumber("01")).malformed, HasSubstr("number"));
}

TEST(ParseReport, BoundsTheNesting) {
  const auto nested = [](size_t depth) {
    return R"({"report_id":"r","patient_id":"p","data":{"a":)" + std::string(depth, '[') +
           std::string(depth, ']') + "}}";
  };
  EXPECT_TRUE(Parse(nested(60)).ok());
  EXPECT_THAT(Parse(nested(80)).malformed, HasSubstr("deeper"));
}

// The parser that a large body needed is given back, and the next small one is read as before.
TEST(ParseReport, ReadsLargeBodiesAndSmallOnesInTurn) {
  const std::string large =
      R"({"report_id":"r","patient_id":"p","data":")" + std::string(900'000, 'a') + "\"}";
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(Parse(large).report.data_json.size(), 900'002u);
    EXPECT_TRUE(Parse(R"({"report_id":"r","patient_id":"p","data":"x"})").ok());
  }
}

}  // namespace
}  // namespace weir::epro
