#include "alerts/webhook.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <map>

#include "alerts/signature.h"
#include "base/clock.h"

namespace weir::alerts {
namespace {

using ::testing::HasSubstr;

Alert SampleAlert() {
  Alert alert;
  alert.report = Offset(12);
  alert.study_id = "s1";
  alert.patient_id = "p1";
  alert.report_id = "r1";
  alert.level = Level::kUrgent;
  alert.reason = "item 44260-8 is 2";
  alert.created_ms = 1'764'000'000'000;
  return alert;
}

std::string HeaderOf(const net::ClientRequest& request, std::string_view name) {
  for (const auto& [key, value] : request.headers) {
    if (key == name) return value;
  }
  return {};
}

// Computed with Python's hmac module.
TEST(Signature, IsHmacOverTimeAndBody) {
  EXPECT_EQ(Sign("Jefe", 1'764'000'000, "{}"),
            "t=1764000000,sha256="
            "272eda281397a59d6671b5736ab9abf8a3d25187c1873197c269489f5e432ed4");
}

TEST(Signature, IsWhatOpensslComputes) {
  FILE* pipe =
      popen("printf '%s' '1764000000.{\"a\":1}' | openssl dgst -sha256 -hmac secret -r", "r");
  ASSERT_NE(pipe, nullptr);
  char hex[65] = {};
  ASSERT_EQ(fread(hex, 1, 64, pipe), 64u);
  char rest[256];
  while (fread(rest, 1, sizeof rest, pipe) > 0) {
  }
  ASSERT_EQ(pclose(pipe), 0);
  EXPECT_EQ(Sign("secret", 1'764'000'000, R"({"a":1})"), "t=1764000000,sha256=" + std::string(hex));
}

TEST(Webhook, HoldsTheAlertAndIsSigned) {
  const Target target{"ward", "https://hospital.example/hook", "secret"};
  const auto request = MakeWebhook(SampleAlert(), 0, target, 1'764'000'001'999, std::nullopt);
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.url, target.url);
  EXPECT_EQ(request.redirects_max, 0);
  EXPECT_EQ(request.body,
            R"({"stage":"alert","id":"a-12","study_id":"s1","patient_id":"p1","report_id":"r1",)"
            R"("level":"urgent","reason":"item 44260-8 is 2",)"
            R"("created_at":"2025-11-24T16:00:00.000Z","state":"open"})");
  EXPECT_EQ(HeaderOf(request, "Weir-Signature"), Sign("secret", 1'764'000'001, request.body));
  EXPECT_EQ(HeaderOf(request, "traceparent"), "");
}

TEST(Webhook, CarriesTheTraceOfItsReport) {
  constexpr const char* kTraceparent = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";
  const auto request = MakeWebhook(SampleAlert(), 0, {"ward", "https://x.example/", "s"}, 0,
                                   observe::ParseTraceparent(kTraceparent));
  EXPECT_EQ(HeaderOf(request, "traceparent"), kTraceparent);
}

TEST(IdempotencyKey, IsTheSameForOneDeliveryAndDiffersFromAllOthers) {
  const Alert alert = SampleAlert();
  Alert acknowledged = alert;
  acknowledged.state = State::kAcknowledged;
  EXPECT_EQ(IdempotencyKey(alert, 0, "ward"), IdempotencyKey(acknowledged, 0, "ward"));
  std::map<std::string, int> keys;
  Alert other_offset = alert, other_study = alert, shifted = alert;
  other_offset.report = Offset(13);
  other_study.study_id = "s2";
  shifted.study_id = "s";
  shifted.report_id = "1r1";
  for (const Alert& one : {alert, other_offset, other_study, shifted}) {
    for (const uint8_t stage : {0, 1}) {
      for (const char* target : {"ward", "night"}) ++keys[IdempotencyKey(one, stage, target)];
    }
  }
  EXPECT_EQ(keys.size(), 16u);
}

// The first shell block of the document, followed by a call of its function.
class VerifyExample : public ::testing::Test {
 protected:
  static bool Accepts(const std::string& signature, const std::string& body) {
    std::ifstream file("docs/alerts.md");
    const std::string text((std::istreambuf_iterator<char>(file)), {});
    const size_t begin = text.find("```sh\n") + 6;
    const std::string script = text.substr(begin, text.find("```", begin) - begin) +
                               "printf '%s' '" + body + "' | verify_weir secret '" + signature +
                               "'\n";
    const std::string path = ::testing::TempDir() + "verify_weir_" + std::to_string(getpid());
    std::ofstream(path) << script;
    const int status = system(("sh " + path).c_str());
    unlink(path.c_str());
    return status == 0;
  }
};

TEST_F(VerifyExample, AcceptsWhatWeSendAndNothingElse) {
  const std::string body = R"({"stage":"alert","id":"a-12"})";
  const int64_t now = base::SystemClock().WallMs() / 1000;
  EXPECT_TRUE(Accepts(Sign("secret", now, body), body));
  EXPECT_FALSE(Accepts(Sign("secret", now, body), body + " "));
  EXPECT_FALSE(Accepts(Sign("other", now, body), body));
  EXPECT_FALSE(Accepts(Sign("secret", now - 600, body), body));
  EXPECT_FALSE(Accepts("t=" + std::to_string(now) + ",sha256=", body));
}

}  // namespace
}  // namespace weir::alerts
