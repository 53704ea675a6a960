#include "tools/surge/report_request.h"

#include <gtest/gtest.h>
#include <simdjson.h>

#include <set>

#include "tools/surge/options.h"

namespace weir::surge {
namespace {

Options TestOptions(std::string_view instrument) {
  Options options;
  options.patients = options.reports = 1000;
  options.instrument = instrument;
  options.token = "0123456789012345678901234567890123456789";
  options.seed = 3;
  return options;
}

Plan PlanOf(const Options& options) {
  return Plan({.seed = options.seed,
               .patients = options.patients,
               .resend = 0,
               .urgent_share = 0.1,
               .elevated_share = 0.1,
               .instrument = options.instrument});
}

// The size that every figure of the project is measured with.
TEST(ReportRequest, Is560BytesLong) {
  const Options options = TestOptions("phq9");
  const Plan plan = PlanOf(options);
  ReportRequest request(plan, options);
  EXPECT_EQ(request.Render(0).size(), 560u);
  EXPECT_EQ(request.Render(999).size(), 560u);
}

TEST(ReportRequest, IsAReportOfItsOwnForEachIndex) {
  for (const std::string_view instrument : {"phq9", "gad7", "text"}) {
    Options options = TestOptions(instrument);
    options.study = "stu\"dy";
    const Plan plan = PlanOf(options);
    ReportRequest request(plan, options);
    simdjson::dom::parser parser;
    std::set<std::string> ids, patients;
    for (uint64_t i = 0; i < 200; ++i) {
      const std::string_view body = request.RenderBody(i);
      EXPECT_NE(
          request.Render(i).find("\r\nContent-Length: " + std::to_string(body.size()) + "\r\n"),
          std::string_view::npos);
      const simdjson::dom::element report = parser.parse(body.data(), body.size());
      const std::string id(report["report_id"].get_string().value());
      EXPECT_EQ(plan.IndexOf(id), i);
      EXPECT_TRUE(ids.insert(id).second);
      EXPECT_TRUE(patients.emplace(report["patient_id"].get_string().value()).second);
      EXPECT_EQ(report["study_id"].get_string().value(), "stu\"dy");
      if (instrument == "text") {
        EXPECT_TRUE(report["data"].is_string());
        continue;
      }
      EXPECT_EQ(report["instrument"].get_string().value(), instrument);
      const auto answers = plan.Answers(i);
      for (size_t item = 0; item < answers.size(); ++item) {
        EXPECT_EQ(report["data"][plan.instrument().link_ids[item]].get_string().value(),
                  kAnswerCodes[answers[item]]);
      }
    }
  }
}

TEST(ReportRequest, IsTheSameWheneverItIsMade) {
  const Options options = TestOptions("phq9");
  const Plan plan = PlanOf(options);
  ReportRequest request(plan, options);
  const std::string first(request.Render(5));
  (void)request.Render(6);
  EXPECT_EQ(request.Render(5), first);
  EXPECT_EQ(ReportRequest(plan, options).Render(5), first);
}

}  // namespace
}  // namespace weir::surge
