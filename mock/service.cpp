#include "mock/service.hpp"

#include "mock/hash.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace assay::mock {

namespace {

constexpr size_t max_known_keys = 100'000;

bool contains(const std::vector<secret>& keys, std::string_view key) {
  return std::any_of(keys.begin(), keys.end(), [key](const secret& k) { return k.reveal() == key; });
}

batch_schedule schedule_of(const options& value) { return {value.batch_time, value.batch_window}; }

} // namespace

result<std::unique_ptr<service>> service::create(options value, std::shared_ptr<const answer_book> book) {
  if (!value.clock)
    value.clock = [] { return nanoseconds(std::chrono::steady_clock::now().time_since_epoch()); };
  auto record = call_record::open(value.record, value.clock, value.seed, value.kept_calls);
  if (!record)
    return record.error();
  return std::unique_ptr<service>(new service(std::move(value), std::move(book), std::move(*record)));
}

service::service(options value, std::shared_ptr<const answer_book> book, std::unique_ptr<call_record> record)
    : options_(std::move(value)), unix_zero_(options_.clock() - wall_now().time_since_epoch()),
      limiter_(options_.limits, options_.limit_rules), faults_(options_.seed, options_.faults),
      simulator_(options_.seed, options_.models, options_.unknown_model_accuracy, std::move(book),
                 options_.on_unknown_prompt),
      record_(std::move(record)), files_(options_.max_stored, options_.seed),
      batches_(
          schedule_of(options_), options_.max_stored, options_.seed,
          [this](const batch_job& job, const batch_line& line) { return answer_line(job, line); },
          [this](batch_job& job, batch_phase phase) {
            const auto now = std::chrono::floor<seconds>(options_.clock() - unix_zero_).count();
            if (job.protocol == wire::gemini)
              close_gemini_batch(job, phase, files_, now);
            else if (job.protocol != wire::anthropic)
              close_openai_batch(job, phase, files_, now);
          }) {}

std::string service::known_hash_of(std::string_view key) {
  if (key.empty())
    return {};
  const auto quick = hash_text(key, options_.seed);
  {
    const std::shared_lock guard(key_mutex_);
    if (const auto found = key_hashes_.find(quick); found != key_hashes_.end())
      return found->second;
  }
  auto text = hash_of_key(key);
  const std::unique_lock guard(key_mutex_);
  if (key_hashes_.size() < max_known_keys)
    key_hashes_.emplace(quick, text);
  return text;
}

std::optional<api_error> service::check_key(const dialect& speaker, std::string_view key) const {
  if (contains(options_.exhausted_keys, key))
    return speaker.error_of(trouble::no_credit, {});
  if (options_.keys.empty() || contains(options_.keys, key))
    return {};
  return speaker.error_of(key.empty() ? trouble::missing_key : trouble::wrong_key, key);
}

reply service::handle(const request_view& request) {
  const auto mark = request.target.find('?');
  const auto path = request.target.substr(0, mark);
  const auto query = mark == std::string_view::npos ? std::string_view() : request.target.substr(mark + 1);
  if (path == "/health")
    return json_reply(request, {{"status", "ok"}, {"simulated", true}});
  if (path.starts_with("/mock/"))
    return control(request, path, query);
  // Only there two protocols share a path.
  const bool anthropic = path.starts_with("/v1/models") && !request.header("anthropic-version").empty();
  const auto where = find_route(request.method, path, anthropic);
  const incoming in{request, path, query, where, dialect_of(where.protocol)};
  return is_model_call(where.op) && !where.wrong_method ? model_call(in) : side_call(in);
}

reply service::reject(int status) const {
  const auto& speaker = dialect_of(wire::openai);
  head_fields head;
  head.speaker = &speaker;
  head.close = true;
  reply out;
  out.end = reply_end::close;
  write_error(out, head,
              status == 400
                  ? api_error{400, "Bad request: this is not HTTP/1.1.", "invalid_request_error", {}, {}, {}}
                  : speaker.error_of_status(status, {}));
  return out;
}

void service::finished(const reply& sent, bool whole) {
  if (sent.call.n == 0)
    return;
  if (sent.admitted)
    limiter_.release(sent.call.key_hash, sent.call.model);
  record_->finished(sent.call, whole && sent.whole);
}

reply service::side_call(const incoming& in) {
  reply out;
  out.end = in.request.keep_alive ? reply_end::keep : reply_end::close;
  // No call of a model, but requests of every kind have an id.
  auto& ticket = out.call;
  ticket.protocol = in.where.protocol;
  name_call(ticket, ~options_.seed, ++side_calls_);
  head_fields head;
  head.close = !in.request.keep_alive;
  head.speaker = &in.speaker;
  head.call = &ticket;
  const auto key = in.speaker.key_of(in.request, in.query);
  fault_rule rule;
  rule.kind = fault_kind::none;
  if (in.where.op != operation::none && !in.where.wrong_method) {
    const auto hash = known_hash_of(key);
    rule = faults_.pick({in.path, in.where.subject, hash, false, false});
  }
  // Before the work: what is answered with an error must not have been done.
  if (const auto struck = error_of_fault(in.speaker, rule, in.where.subject, head)) {
    write_error(out, head, *struck);
    return out;
  }
  const auto answer = side_answer(in, key);
  if (!answer) {
    write_error(out, head, answer.error());
    return out;
  }
  head.content_type = answer->content_type;
  head.more = answer->headers;
  answer_parts parts{.speaker = in.speaker,
                     .head = head,
                     .body = answer->body,
                     .stream = {},
                     .chunked = in.request.chunked_allowed};
  if (rule.kind == fault_kind::none)
    write_answer(out, parts);
  else
    write_damaged(out, std::move(parts), rule);
  return out;
}

api_result<store_answer> service::side_answer(const incoming& in, std::string_view key) {
  const auto& where = in.where;
  const auto named = std::string(in.request.method) + (where.op == operation::none ? " " : " on ")
                     + std::string(in.path.substr(0, 256));
  if (where.op == operation::none)
    return in.speaker.error_of(trouble::unknown_path, named);
  if (where.wrong_method)
    return in.speaker.error_of(trouble::wrong_method, named);
  // The later requests of a resumable upload carry no key: their address is the secret.
  const bool upload_goes_on =
      where.op == operation::upload_file && query_value(in.query, "upload_id").has_value();
  if (!upload_goes_on)
    if (auto refused = check_key(in.speaker, key))
      return *refused;
  if (auto lacking = in.speaker.check(in.request, where, in.query))
    return *lacking;
  if (where.op == operation::list_models)
    return store_answer{in.speaker.models_body(simulator_.models())};
  if (where.op == operation::get_model) {
    const std::string name(where.subject);
    if (const auto model = model_named(where.protocol, name))
      return store_answer{in.speaker.model_body(*model)};
    return in.speaker.error_of(trouble::unknown_model, name.substr(0, 128));
  }
  const auto host = in.request.header("host");
  const store_request call{.request = in.request,
                           .query = in.query,
                           .where = where,
                           .owner = known_hash_of(key),
                           .base_url = "http://" + std::string(host.empty() ? "127.0.0.1" : host),
                           .path = std::string(in.path),
                           .now = options_.clock(),
                           .unix_zero = unix_zero_,
                           .files = files_,
                           .batches = batches_};
  switch (where.protocol) {
  case wire::anthropic:
    return answer_anthropic_store(call);
  case wire::gemini:
    return answer_gemini_store(call);
  default:
    return answer_openai_store(call);
  }
}

} // namespace assay::mock
