#include "storage/records_detail.hpp"

#include <algorithm>

namespace assay::storage {

using namespace records_detail;

namespace {

/// Of answers that name keys and targets; an older reader must not take them for damaged.
constexpr uint8_t record_version_with_ways = 2;
/// Of samples that judges have cost something for.
constexpr uint8_t record_version_with_judges = 2;

// Bits of a response's flags.
constexpr uint8_t usage_estimated_bit = 1;
constexpr uint8_t simulated_bit = 2;
constexpr uint8_t possibly_billed_bit = 4;
constexpr uint8_t cost_bit = 8;
constexpr uint8_t error_bit = 16;
constexpr uint8_t cached_bit = 32;
constexpr uint8_t saved_bit = 64;
constexpr uint8_t ways_bit = 128;

// Of a sample's flags, beside those that it shares with responses.
constexpr uint8_t judge_cost_bit = 64;

void write_usage(byte_writer& out, const token_usage& usage) {
  out.varint(usage.prompt_tokens);
  out.varint(usage.completion_tokens);
  out.varint(usage.cached_tokens);
  out.varint(usage.reasoning_tokens);
}

token_usage read_usage(byte_reader& in) noexcept {
  token_usage usage;
  usage.prompt_tokens = read_u32(in);
  usage.completion_tokens = read_u32(in);
  usage.cached_tokens = read_u32(in);
  usage.reasoning_tokens = read_u32(in);
  return usage;
}

void write_timing(byte_writer& out, const call_timing& timing) {
  out.signed_varint(timing.queued.count());
  out.signed_varint(timing.limiter.count());
  out.signed_varint(timing.connect.count());
  out.signed_varint(timing.first_byte.count());
  out.signed_varint(timing.transfer.count());
  out.signed_varint(timing.local_lag.count());
}

call_timing read_timing(byte_reader& in) noexcept {
  call_timing timing;
  timing.queued = microseconds{in.signed_varint()};
  timing.limiter = microseconds{in.signed_varint()};
  timing.connect = microseconds{in.signed_varint()};
  timing.first_byte = microseconds{in.signed_varint()};
  timing.transfer = microseconds{in.signed_varint()};
  timing.local_lag = microseconds{in.signed_varint()};
  return timing;
}

/// Codes are a closed list; a number that no version of it knows is damage, not a new error.
errc read_errc(byte_reader& in) noexcept {
  const auto code = static_cast<errc>(in.u8());
  if (in.ok() && code != errc::internal && errc_from_string(to_string(code)) != code)
    in.fail();
  return code;
}

void write_attempt(byte_writer& out, const attempt_record& attempt) {
  out.u8(static_cast<uint8_t>(attempt.error));
  out.varint(attempt.http_status);
  out.signed_varint(attempt.waited.count());
  out.u8(attempt.possibly_billed ? 1 : 0);
  out.text(attempt.message);
}

attempt_record read_attempt(byte_reader& in) {
  attempt_record attempt;
  attempt.error = read_errc(in);
  attempt.http_status = read_u16(in);
  attempt.waited = milliseconds{in.signed_varint()};
  attempt.possibly_billed = in.u8() != 0;
  attempt.message = in.text();
  return attempt;
}

/// Which keys and targets an answer went through. Most go through one of each, unnamed.
bool has_ways(const response_record& record) {
  const auto named = [](const attempt_record& one) { return !one.key.empty() || !one.target.empty(); };
  return !record.key.empty() || !record.served_by.empty() || std::ranges::any_of(record.failures, named);
}

void write_ways(byte_writer& out, const response_record& record) {
  out.text(record.key);
  out.text(record.served_by);
  for (const auto& attempt : record.failures) {
    out.text(attempt.key);
    out.text(attempt.target);
  }
}

void read_ways(byte_reader& in, response_record& record) {
  record.key = in.text();
  record.served_by = in.text();
  for (auto& attempt : record.failures) {
    attempt.key = in.text();
    attempt.target = in.text();
  }
}

bool is_known(sample_status status) noexcept {
  return status == sample_status::answered || status == sample_status::scored
         || status == sample_status::failed;
}

sample_status read_status(byte_reader& in) noexcept {
  const auto status = static_cast<sample_status>(in.u8());
  if (!is_known(status))
    in.fail();
  return status;
}

bool is_known(finish_reason reason) noexcept { return reason <= finish_reason::tool_calls; }

/// What is before the texts. @returns the flags.
uint8_t read_head(byte_reader& in, response_record& record) {
  const uint8_t flags = in.u8();
  record.usage_estimated = (flags & usage_estimated_bit) != 0;
  record.simulated = (flags & simulated_bit) != 0;
  record.possibly_billed = (flags & possibly_billed_bit) != 0;
  record.cached = (flags & cached_bit) != 0;
  record.finish = static_cast<finish_reason>(in.u8());
  if (!is_known(record.finish))
    in.fail();
  record.usage = read_usage(in);
  if ((flags & cost_bit) != 0)
    record.cost = money{in.signed_varint()};
  if ((flags & saved_bit) != 0)
    record.saved = money{in.signed_varint()};
  if ((flags & error_bit) != 0)
    record.error = read_errc(in);
  record.timing = read_timing(in);
  record.http_status = read_u16(in);
  record.finished_at = read_time(in);
  return flags;
}

} // namespace

// -- answers -----------------------------------------------------------------------------------------------

std::string_view record_encoder::response(const response_record& record) {
  byte_writer out(sealer_.begin(has_ways(record) ? record_version_with_ways : record_version));
  uint8_t flags = 0;
  flags |= record.usage_estimated ? usage_estimated_bit : 0;
  flags |= record.simulated ? simulated_bit : 0;
  flags |= record.possibly_billed ? possibly_billed_bit : 0;
  flags |= record.cost ? cost_bit : 0;
  flags |= record.error ? error_bit : 0;
  flags |= record.cached ? cached_bit : 0;
  flags |= record.saved ? saved_bit : 0;
  flags |= has_ways(record) ? ways_bit : 0;
  out.u8(flags);
  out.u8(static_cast<uint8_t>(record.finish));
  write_usage(out, record.usage);
  if (record.cost)
    out.signed_varint(record.cost->nanodollars);
  if (record.saved)
    out.signed_varint(record.saved->nanodollars);
  if (record.error)
    out.u8(static_cast<uint8_t>(*record.error));
  write_timing(out, record.timing);
  out.varint(record.http_status);
  write_time(out, record.finished_at);
  out.text(record.served_model);
  out.text(record.request_id);
  out.text(record.error_message);
  out.varint(record.failures.size());
  for (const auto& attempt : record.failures)
    write_attempt(out, attempt);
  out.text(record.prompt);
  out.text(record.answer);
  out.text(record.target);
  if ((flags & ways_bit) != 0)
    write_ways(out, record);
  return sealer_.seal();
}

result<response_record> record_decoder::response(run_id run, const sample_address& address, uint16_t attempt,
                                                 std::string_view stored) {
  const auto payload = open(stored, "answer", record_version_with_ways);
  if (!payload)
    return payload.error();
  byte_reader in(*payload);
  response_record record;
  record.run = run;
  record.address = address;
  record.attempt = attempt;
  const uint8_t flags = read_head(in, record);
  record.served_model = in.text();
  record.request_id = in.text();
  record.error_message = in.text();
  const uint64_t failures = in.varint();
  for (uint64_t i = 0; i < failures && in.ok(); ++i)
    record.failures.push_back(read_attempt(in));
  record.prompt = shared_text(in.text());
  record.answer = shared_text(in.text());
  record.target = shared_text(in.text());
  if ((flags & ways_bit) != 0)
    read_ways(in, record);
  if (!in.complete())
    return damaged("answer");
  return record;
}

result<answer_times> record_decoder::times(std::string_view stored) {
  const auto payload = open(stored, "answer", record_version_with_ways);
  if (!payload)
    return payload.error();
  byte_reader in(*payload);
  response_record record;
  read_head(in, record);
  if (!in.ok())
    return damaged("answer");
  return answer_times{record.timing, record.finished_at};
}

// -- samples -----------------------------------------------------------------------------------------------

std::string_view record_encoder::sample(const sample_record& record) {
  byte_writer out(sealer_.begin(record.judge_cost ? record_version_with_judges : record_version));
  // First, so that a scan for the status reads three bytes.
  out.u8(static_cast<uint8_t>(record.status));
  uint8_t flags = 0;
  flags |= record.possibly_billed ? possibly_billed_bit : 0;
  flags |= record.cost ? cost_bit : 0;
  flags |= record.error ? error_bit : 0;
  flags |= record.cached ? cached_bit : 0;
  flags |= record.judge_cost ? judge_cost_bit : 0;
  out.u8(flags);
  write_usage(out, record.usage);
  if (record.cost)
    out.signed_varint(record.cost->nanodollars);
  if (record.judge_cost)
    out.signed_varint(record.judge_cost->nanodollars);
  if (record.error)
    out.u8(static_cast<uint8_t>(*record.error));
  out.signed_varint(record.duration.count());
  out.varint(record.tries);
  out.varint(record.scores.size());
  for (const auto& score : record.scores) {
    out.u8(score.scorer);
    out.real(score.value);
    out.text(score.extracted);
  }
  return sealer_.seal();
}

result<sample_record> record_decoder::sample(run_id run, const sample_address& address,
                                             std::string_view stored) {
  const auto payload = open(stored, "sample", record_version_with_judges);
  if (!payload)
    return payload.error();
  byte_reader in(*payload);
  sample_record record;
  record.run = run;
  record.address = address;
  record.status = read_status(in);
  const uint8_t flags = in.u8();
  record.possibly_billed = (flags & possibly_billed_bit) != 0;
  record.cached = (flags & cached_bit) != 0;
  record.usage = read_usage(in);
  if ((flags & cost_bit) != 0)
    record.cost = money{in.signed_varint()};
  if ((flags & judge_cost_bit) != 0)
    record.judge_cost = money{in.signed_varint()};
  if ((flags & error_bit) != 0)
    record.error = read_errc(in);
  record.duration = milliseconds{in.signed_varint()};
  record.tries = read_u16(in);
  const uint64_t scores = in.varint();
  for (uint64_t i = 0; i < scores && in.ok(); ++i) {
    score_value score;
    score.scorer = in.u8();
    score.value = in.real();
    score.extracted = in.text();
    record.scores.push_back(std::move(score));
  }
  if (!in.complete())
    return damaged("sample");
  return record;
}

result<sample_status> record_decoder::status(std::string_view stored) {
  const auto payload = open(stored, "sample", record_version_with_judges);
  if (!payload)
    return payload.error();
  byte_reader in(*payload);
  const auto status = read_status(in);
  if (!in.ok())
    return damaged("sample");
  return status;
}

} // namespace assay::storage
