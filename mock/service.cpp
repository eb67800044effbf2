#include "mock/service.hpp"

#include "mock/hash.hpp"

#include <nlohmann/json.hpp>
#include <openssl/sha.h>

#include <algorithm>
#include <charconv>

namespace assay::mock {

namespace {

using nlohmann::json;

constexpr std::string_view chat_path = "/v1/chat/completions";
constexpr size_t max_known_keys = 100'000;
constexpr size_t record_slice = 1024 * 1024;

/// @returns the token of `Bearer <token>`, or an empty text.
std::string_view bearer(std::string_view authorization) noexcept {
  constexpr std::string_view scheme = "bearer ";
  if (authorization.size() <= scheme.size())
    return {};
  for (size_t i = 0; i < scheme.size(); ++i)
    if ((authorization[i] | 0x20) != (scheme[i] | 0x20))
      return {};
  authorization.remove_prefix(scheme.size());
  while (authorization.starts_with(' '))
    authorization.remove_prefix(1);
  return authorization;
}

bool contains(const std::vector<secret>& keys, std::string_view key) {
  return std::any_of(keys.begin(), keys.end(), [key](const secret& k) { return k.reveal() == key; });
}

api_error wrong_method(const request_view& request, std::string_view path) {
  return {405,
          "Not allowed to " + std::string(request.method) + " on " + std::string(path)
              + ". (HINT: Perhaps you meant to use a different HTTP method?)",
          "invalid_request_error", "", "method_not_supported"};
}

std::string dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

int64_t unix_seconds() { return std::chrono::duration_cast<seconds>(wall_now().time_since_epoch()).count(); }

reply json_reply(const request_view& request, const json& body, int status = 200) {
  head_fields head;
  head.status = status;
  head.close = !request.keep_alive;
  reply out;
  out.bytes = plain_answer(head, dump(body));
  out.end = request.keep_alive ? reply_end::keep : reply_end::close;
  return out;
}

reply error_reply(const request_view& request, const api_error& error) {
  head_fields head;
  head.close = !request.keep_alive;
  reply out;
  write_error(out, head, error);
  out.end = request.keep_alive ? reply_end::keep : reply_end::close;
  return out;
}

reply fault_reply(const request_view& request, const fault& problem) {
  const int status = problem.code == errc::not_found ? 404 : problem.code == errc::store_failed ? 500 : 400;
  return json_reply(request,
                    {{"error",
                      {{"message", problem.message},
                       {"type", to_string(problem.code)},
                       {"param", problem.where},
                       {"code", nullptr},
                       {"hint", problem.hint}}}},
                    status);
}

std::optional<uint64_t> query_number(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    const auto pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (!pair.starts_with(name) || pair.size() <= name.size() || pair[name.size()] != '=')
      continue;
    const auto digits = pair.substr(name.size() + 1);
    uint64_t value = 0;
    const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error == std::errc{} && stop == digits.data() + digits.size() && value <= INT64_MAX)
      return value;
    return {};
  }
  return 0;
}

json model_entry(const simulated_model& model) {
  return {{"id", model.name}, {"object", "model"}, {"created", 1700000000}, {"owned_by", "assay-simulated"}};
}

} // namespace

result<std::unique_ptr<service>> service::create(options value, std::shared_ptr<const answer_book> book) {
  if (!value.clock)
    value.clock = [] { return nanoseconds(std::chrono::steady_clock::now().time_since_epoch()); };
  auto record = call_record::open(value.record, value.clock, value.seed);
  if (!record)
    return record.error();
  return std::unique_ptr<service>(new service(std::move(value), std::move(book), std::move(*record)));
}

service::service(options value, std::shared_ptr<const answer_book> book, std::unique_ptr<call_record> record)
    : options_(std::move(value)), limiter_(options_.limits), faults_(options_.seed, options_.faults),
      simulator_(options_.seed, options_.models, options_.unknown_model_accuracy, std::move(book)),
      record_(std::move(record)) {}

std::string service::hash_of_key(std::string_view key) {
  if (key.empty())
    return {};
  const auto quick = hash_text(key, options_.seed);
  {
    const std::shared_lock guard(key_mutex_);
    if (const auto found = key_hashes_.find(quick); found != key_hashes_.end())
      return found->second;
  }
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), digest);
  uint64_t first = 0;
  for (int i = 0; i < 4; ++i)
    first = (first << 8) | digest[i];
  auto text = to_hex(first).substr(8);
  const std::unique_lock guard(key_mutex_);
  if (key_hashes_.size() < max_known_keys)
    key_hashes_.emplace(quick, text);
  return text;
}

std::optional<api_error> service::check_key(std::string_view key) const {
  if (contains(options_.exhausted_keys, key))
    return quota_error();
  if (options_.keys.empty() || contains(options_.keys, key))
    return {};
  if (key.empty())
    return api_error{
        401,
        "You didn't provide an API key. You need to provide your API key in an Authorization header using "
        "Bearer auth (i.e. Authorization: Bearer YOUR_KEY). You can obtain an API key from "
        "https://platform.openai.com/account/api-keys.",
        "invalid_request_error", "", ""};
  auto error = error_for_status(401, "");
  const auto shown = key.size() < 12
                         ? std::string("***")
                         : std::string(key.substr(0, 4)) + "***" + std::string(key.substr(key.size() - 4));
  error.message = "Incorrect API key provided: " + shown
                  + ". You can find your API key at https://platform.openai.com/account/api-keys.";
  return error;
}

reply service::handle(const request_view& request) {
  const auto mark = request.target.find('?');
  const auto path = request.target.substr(0, mark);
  const auto query = mark == std::string_view::npos ? std::string_view() : request.target.substr(mark + 1);
  if (path == chat_path)
    return request.method == "POST" ? chat(request) : error_reply(request, wrong_method(request, path));
  if (path == "/health")
    return json_reply(request, {{"status", "ok"}, {"simulated", true}});
  if (path.starts_with("/mock/"))
    return control(request, path, query);
  if (path == "/v1/models" || path.starts_with("/v1/models/"))
    return models(request, path);
  return error_reply(
      request,
      {404, "Invalid URL (" + std::string(request.method) + " " + std::string(path.substr(0, 256)) + ")",
       "invalid_request_error", "", ""});
}

reply service::reject(int status) const {
  const request_view none{.method = {}, .target = {}, .authorization = {}, .body = {}, .keep_alive = false};
  return error_reply(none, status == 400 ? api_error{400, "Bad request: this is not HTTP/1.1.",
                                                     "invalid_request_error", "", ""}
                                         : error_for_status(status, {}));
}

void service::finished(const reply& sent, bool whole) {
  if (sent.call.n == 0)
    return;
  if (sent.admitted)
    limiter_.release(sent.call.key_hash, sent.call.model);
  record_->finished(sent.call, whole && sent.whole);
}

reply service::chat(const request_view& request) {
  reply out;
  auto& call = out.call;
  const auto key = bearer(request.authorization);
  const auto parsed = read_chat_request(request.body);
  call.key_hash = hash_of_key(key);
  if (parsed) {
    call.model = parsed->model;
    call.prompt_hash = parsed->prompt_hash;
    call.prompt_tokens = parsed->prompt_tokens;
  }
  record_->received(call);
  out.end = request.keep_alive ? reply_end::keep : reply_end::close;
  head_fields head;
  head.call = &call;
  head.close = !request.keep_alive || !request.chunked_allowed;
  if (head.close)
    out.end = reply_end::close;

  if (const auto refused = check_key(key)) {
    write_error(out, head, *refused);
    return out;
  }
  if (!parsed) {
    write_error(out, head, parsed.error());
    return out;
  }
  const auto model = simulator_.find(parsed->model);
  if (!model) {
    write_error(out, head, error_for_status(404, parsed->model.substr(0, 128)));
    return out;
  }
  if (model->context_window != 0 && parsed->prompt_tokens > model->context_window) {
    write_error(out, head,
                {400,
                 "This model's maximum context length is " + std::to_string(model->context_window)
                     + " tokens. However, your messages resulted in " + std::to_string(parsed->prompt_tokens)
                     + " tokens. Please reduce the length of the messages.",
                 "invalid_request_error", "messages", "context_length_exceeded"});
    return out;
  }

  const auto rule = faults_.pick(chat_path, parsed->model);
  call.struck = rule.kind;
  const auto drawn = draw_latency(options_.latency, simulator_.draw(call.n, 1), simulator_.draw(call.n, 2));
  out.delay = microseconds(static_cast<int64_t>(static_cast<double>(drawn.count()) * model->latency_factor));
  head.processing = out.delay;
  if (rule.kind == fault_kind::status) {
    if (rule.ms)
      head.retry_after = *rule.ms;
    write_error(out, head, error_for_status(rule.status, parsed->model));
    return out;
  }
  if (rule.kind == fault_kind::rate_limit) {
    limit_verdict verdict;
    verdict.refused = limit_verdict::cause::requests;
    verdict.limit = verdict.used = 60;
    verdict.requested = 1;
    verdict.retry_after = rule.ms.value_or(milliseconds(1200));
    head.retry_after = verdict.retry_after;
    write_error(out, head, error_for_limit(verdict, parsed->model));
    return out;
  }
  if (rule.kind == fault_kind::insufficient_quota) {
    write_error(out, head, quota_error());
    return out;
  }
  if (simulator_.fails(*model, *parsed, call.repetition)) {
    write_error(out, head, error_for_status(500, parsed->model));
    return out;
  }

  answer_parts parts{.request = *parsed,
                     .choices = {},
                     .head = {},
                     .created = unix_seconds(),
                     .chunked = request.chunked_allowed};
  for (uint32_t i = 0; i < parsed->choices; ++i) {
    parts.choices.push_back(simulator_.answer(*model, *parsed, i));
    call.completion_tokens += parts.choices.back().tokens;
  }
  const auto requested = parsed->prompt_tokens + parsed->max_tokens.value_or(call.completion_tokens);
  const auto verdict = limiter_.acquire(call.key_hash, call.model, requested, options_.clock());
  head.limits = &verdict;
  if (verdict.refused != limit_verdict::cause::none) {
    if (verdict.refused != limit_verdict::cause::request_too_large)
      head.retry_after = verdict.retry_after;
    // A fault that found no answer to damage did not strike.
    call.struck = fault_kind::none;
    call.completion_tokens = 0;
    out.delay = head.processing = microseconds(0);
    write_error(out, head, error_for_limit(verdict, parsed->model));
    return out;
  }
  out.admitted = true;
  if (model->tokens_per_second > 0) {
    const auto gap = 1e6 / model->tokens_per_second;
    if (parsed->stream)
      parts.token_gap = microseconds(static_cast<int64_t>(gap));
    else
      out.delay += microseconds(static_cast<int64_t>(gap * static_cast<double>(call.completion_tokens)));
    head.processing = out.delay;
  }
  call.status = 200;
  parts.head = head;
  if (rule.kind == fault_kind::none)
    write_answer(out, parts);
  else
    write_damaged(out, std::move(parts), rule);
  return out;
}

reply service::models(const request_view& request, std::string_view path) {
  if (request.method != "GET")
    return error_reply(request, wrong_method(request, path));
  if (const auto refused = check_key(bearer(request.authorization)))
    return error_reply(request, *refused);
  if (const auto rule = faults_.pick(path, {}); rule.kind == fault_kind::status)
    return error_reply(request, error_for_status(rule.status, {}));
  constexpr std::string_view prefix = "/v1/models/";
  if (path.starts_with(prefix)) {
    const std::string name(path.substr(prefix.size()));
    if (const auto model = simulator_.find(name))
      return json_reply(request, model_entry(*model));
    return error_reply(request, error_for_status(404, name.substr(0, 128)));
  }
  auto list = json::array();
  for (const auto& model : simulator_.models())
    list.push_back(model_entry(model));
  return json_reply(request, {{"object", "list"}, {"data", std::move(list)}, {"simulated", true}});
}

reply service::control(const request_view& request, std::string_view path, std::string_view query) {
  const bool get = request.method == "GET";
  const bool post = request.method == "POST";
  if (path == "/mock/calls" && get)
    return json_reply(request, record_->summary());
  if (path == "/mock/faults" && get)
    return json_reply(request, faults_.to_json());
  if (path == "/mock/faults" && post) {
    auto rules = parse_fault_rules(request.body);
    if (!rules)
      return fault_reply(request, rules.error());
    faults_.replace(std::move(*rules));
    return json_reply(request, faults_.to_json());
  }
  if (path == "/mock/reset" && post) {
    record_->reset();
    limiter_.reset();
    faults_.replace(options_.faults);
    return json_reply(request, {{"reset", true}});
  }
  if (path == "/mock/record" && get) {
    const auto offset = query_number(query, "offset");
    if (!offset)
      return fault_reply(request, {errc::invalid_argument, "must be a byte offset", "offset", {}});
    auto slice = record_->read(*offset, record_slice);
    if (!slice)
      return fault_reply(request, slice.error());
    head_fields head;
    head.content_type = "application/x-ndjson";
    head.close = !request.keep_alive;
    reply out;
    out.bytes = plain_answer(head, slice->lines);
    out.bytes.insert(out.bytes.find("\r\n") + 2,
                     "x-assay-next-offset: " + std::to_string(slice->next) + "\r\n");
    out.end = request.keep_alive ? reply_end::keep : reply_end::close;
    return out;
  }
  if (path == "/mock/calls" || path == "/mock/faults" || path == "/mock/reset" || path == "/mock/record")
    return error_reply(request, wrong_method(request, path));
  return error_reply(request, {404,
                               "No such control path; there are /mock/calls, /mock/record, /mock/faults and "
                               "/mock/reset.",
                               "invalid_request_error", "", ""});
}

} // namespace assay::mock
