// Who reports what: every property of a report as a function of its index and the seed.
//
// Nothing is stored, so the same seed plays the same patients again, and what was sent can be made
// again to compare it with what the server kept. Immutable; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace weir::surge {

// What the shipped rules of the instrument make of the report on its own.
enum class Level : uint8_t { kNone = 0, kElevated = 1, kUrgent = 2 };

struct Instrument {
  std::string_view name;                       // empty: free text
  std::span<const std::string_view> link_ids;  // LOINC codes
};
// "phq9", "gad7" or "text".
const Instrument& FindInstrument(std::string_view name);

// LOINC answer codes by score, 0 to 3; all of one length.
inline constexpr std::array<std::string_view, 4> kAnswerCodes = {"LA6568-5", "LA6569-3", "LA6570-1",
                                                                 "LA6571-9"};

struct PlanOptions {
  uint64_t seed = 0;
  uint64_t patients = 0;
  double resend = 0;
  double urgent_share = 0;
  double elevated_share = 0;
  std::string_view instrument = "phq9";
};

class Plan {
 public:
  explicit Plan(const PlanOptions& options);

  static constexpr size_t kReportIdBytes = 32;   // hexadecimal
  static constexpr size_t kPatientIdBytes = 16;  // hexadecimal
  static constexpr size_t kItemsMax = 9;

  void WriteReportId(uint64_t index, char* to) const;
  // The index whose report has this id; nullopt if no report of this plan has it.
  std::optional<uint64_t> IndexOf(std::string_view report_id) const;

  // "report 17 (0f3a…)", for messages.
  std::string Describe(uint64_t index) const;

  // Patients take turns: report i is of patient i modulo patients.
  uint64_t PatientOf(uint64_t index) const { return index % options_.patients; }
  void WritePatientId(uint64_t patient, char* to) const;

  Level LevelOf(uint64_t index) const;
  // Scores of the items, 0 to 3, that bring the report to its level.
  std::span<const uint8_t> Answers(uint64_t index) const;

  enum class Repeat : uint8_t { kNone, kAtOnce, kLater };
  Repeat RepeatOf(uint64_t index) const;

  const Instrument& instrument() const { return instrument_; }

 private:
  static constexpr size_t kVariants = 64;  // of answers, per level
  using Variant = std::array<uint8_t, kItemsMax>;

  uint64_t Draw(uint64_t index, uint64_t salt) const;
  void MakeVariants();

  PlanOptions options_;
  const Instrument& instrument_;
  uint64_t high_key_, low_key_, patient_key_;
  uint64_t urgent_below_, elevated_below_, repeat_below_;  // of 2^32
  std::array<std::array<Variant, kVariants>, 3> variants_{};
};

}  // namespace weir::surge
