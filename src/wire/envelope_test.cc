#include "wire/envelope.h"

#include <gtest/gtest.h>

#include "base/bytes.h"

namespace weir::wire {
namespace {

const ReportHead kReport{.study_id = "s1",
                         .report_id = "r1",
                         .patient_id = "p1",
                         .site_id = "",
                         .doctor_id = "d1",
                         .instrument = "phq9",
                         .definition_hash = "0123456789abcdef0123456789abcdef",
                         .authored_ms = 1'795'489'565'123,
                         .sender = "app",
                         .trace_id = ""};

// The bytes that the first release wrote: docs/formats/records.md. A change here is a new version.
TEST(ReportHeadCodec, WritesTheGoldenBytes) {
  EXPECT_EQ(base::ToHex(Encode(kReport)),
            "01020073310200723102007031000002006431040070687139"
            "20003031323334353637383961626364656630313233343536373839616263646566"
            "c389840ba2010000"
            "03006170700000");
}

TEST(ReportHeadCodec, ReadsWhatItWrote) {
  const std::string bytes = Encode(kReport);
  const auto head = DecodeReport(bytes).value();
  EXPECT_EQ(head.study_id, "s1");
  EXPECT_EQ(head.doctor_id, "d1");
  EXPECT_EQ(head.authored_ms, kReport.authored_ms);
  EXPECT_EQ(head.definition_hash.size(), 32u);
  ReportHead without = kReport;
  without.authored_ms.reset();
  EXPECT_EQ(DecodeReport(Encode(without)).value().authored_ms, std::nullopt);
}

// Heads that were written before there were spans end without one, and so do those of reports that
// are not traced.
TEST(ReportHeadCodec, HoldsTheSpanOfASampledTraceAlone) {
  EXPECT_EQ(DecodeReport(Encode(kReport)).value().span, "");
  ReportHead traced = kReport;
  traced.trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";
  traced.span = "12345678";
  const std::string bytes = Encode(traced);
  EXPECT_EQ(DecodeReport(bytes).value().span, "12345678");
  EXPECT_EQ(DecodeReport(bytes).value().trace_state, "");
  EXPECT_FALSE(DecodeReport(std::string_view(bytes).substr(0, bytes.size() - 1)).has_value());
}

TEST(ReportHeadCodec, HoldsTheStateOfATraceWithOrWithoutASpan) {
  ReportHead traced = kReport;
  traced.trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";
  traced.trace_state = "rojo=1";
  for (const std::string_view span : {"", "12345678"}) {
    traced.span = span;
    const std::string bytes = Encode(traced);
    EXPECT_EQ(DecodeReport(bytes).value().span, span);
    EXPECT_EQ(DecodeReport(bytes).value().trace_state, "rojo=1");
    EXPECT_EQ(DecodeReport(bytes + "more").value().trace_state, "rojo=1");
    EXPECT_FALSE(DecodeReport(std::string_view(bytes).substr(0, bytes.size() - 1)).has_value());
  }
}

TEST(Codecs, RefuseEveryShorterHead) {
  const std::string heads[] = {Encode(kReport),
                               Encode(AlertActionHead{Offset(7), "a", "seen"}),
                               Encode(DeliveryHead{Offset(7), 1, true, 3, 200, "ward", ""}),
                               Encode(ReplayHead{"assess", Offset(9), "op"}),
                               Encode(TaskStateHead{"diary", true, "op"}),
                               Encode(AuditHead{"op", "read", "/x", "s", "r", "t"})};
  for (size_t kind = 0; kind < std::size(heads); ++kind) {
    for (size_t size = 0; size < heads[kind].size(); ++size) {
      const std::string_view cut(heads[kind].data(), size);
      const bool taken[] = {DecodeReport(cut).has_value(),    DecodeAlertAction(cut).has_value(),
                            DecodeDelivery(cut).has_value(),  DecodeReplay(cut).has_value(),
                            DecodeTaskState(cut).has_value(), DecodeAudit(cut).has_value()};
      EXPECT_FALSE(taken[kind]) << kind << " cut to " << size;
    }
  }
}

TEST(Codecs, IgnoreFieldsAddedLaterAndRefuseNewerVersions) {
  std::string bytes = Encode(AlertActionHead{Offset(7), "nurse-1", "called the patient"});
  EXPECT_EQ(DecodeAlertAction(bytes + "more").value().note, "called the patient");
  bytes[0] = 2;
  EXPECT_EQ(DecodeAlertAction(bytes).error().code, base::ErrorCode::kUnsupported);
}

TEST(Keys, DistinguishWhatTheyName) {
  EXPECT_NE(ReportKey("a", "bc"), ReportKey("ab", "c"));
  EXPECT_NE(AlertActionKey(Kind::kAlertAcknowledged, Offset(1)),
            AlertActionKey(Kind::kAlertEscalated, Offset(1)));
  EXPECT_NE(DeliveryKey(Offset(1), 0, "ward"), DeliveryKey(Offset(1), 1, "ward"));
  EXPECT_EQ(ReportKey("a", "b"), ReportKey("a", "b"));
}

}  // namespace
}  // namespace weir::wire
