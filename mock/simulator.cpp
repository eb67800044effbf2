#include "mock/simulator.hpp"

#include "core/values/simulated_model.hpp"
#include "mock/call_record.hpp"
#include "mock/hash.hpp"
#include "mock/json_instance.hpp"
#include "mock/json_text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace assay::mock {

namespace {

// Salts keep the draws for different purposes apart.
constexpr uint64_t salt_right = 1;
constexpr uint64_t salt_manner = 2;
constexpr uint64_t salt_transient = 3;
constexpr uint64_t salt_choice = 1000;

std::string unknown_prompt_text(const simulated_model& model, const chat_request& request, uint64_t draw) {
  std::string text =
      "[simulated] " + model.name + " does not know this prompt (" + to_hex(request.prompt_hash) + ").";
  if (draw % 3 == 0)
    text += " A real model would have answered here.";
  if (draw % 2 == 0)
    text += " Nothing in this text was written by a language model.";
  return text;
}

/// What the model would have said, in the form that was asked for.
std::string as_json(const chat_request& request, std::string_view text) {
  if (request.format == answer_format::json_schema && !request.schema.empty())
    return minimal_instance(request.schema, text);
  if (text.starts_with('{') && nlohmann::json::accept(text))
    return std::string(text);
  std::string out = "{\"answer\":";
  append_json_string(out, text);
  return out += ",\"simulated\":true}";
}

} // namespace

simulator::simulator(uint64_t seed, std::vector<simulated_model> models,
                     std::optional<double> unknown_model_accuracy, std::shared_ptr<const answer_book> book,
                     std::function<void(std::string_view prompt)> on_unknown)
    : seed_(seed), models_(std::move(models)), unknown_model_accuracy_(unknown_model_accuracy),
      book_(std::move(book)), on_unknown_(std::move(on_unknown)) {
  for (size_t i = 0; i < models_.size(); ++i)
    index_.emplace(models_[i].name, i);
}

std::optional<simulated_model> simulator::find(const std::string& name) const {
  if (const auto found = index_.find(name); found != index_.end())
    return models_[found->second];
  if (const auto percent = simulated_percent(name))
    return simulated_model{.name = name, .accuracy = *percent / 100.0};
  if (unknown_model_accuracy_)
    return simulated_model{.name = name, .accuracy = *unknown_model_accuracy_};
  return {};
}

uint64_t simulator::decision(const simulated_model& model, const chat_request& request,
                             uint64_t salt) const noexcept {
  return mix(hash_text(model.name, mix(seed_) ^ request.prompt_hash) + salt * 0x9E3779B97F4A7C15ULL);
}

double simulator::draw(uint64_t n, uint64_t purpose) const noexcept {
  return unit_interval(mix(mix(seed_ + purpose) ^ n));
}

bool simulator::fails(const simulated_model& model, const chat_request& request,
                      uint64_t repetition) const noexcept {
  return model.transient_error_rate > 0
         && unit_interval(mix(decision(model, request, salt_transient) ^ mix(repetition)))
                < model.transient_error_rate;
}

namespace {

/// A turn such as "Now mend it" says nothing by itself: the conversation is known by what was asked before.
std::optional<known_answer> known_to(const answer_book& book, const chat_request& request) {
  if (auto known = book.find(request.user_text))
    return known;
  for (auto text = request.earlier_user_texts.rbegin(); text != request.earlier_user_texts.rend(); ++text)
    if (auto known = book.find(*text))
      return known;
  return std::nullopt;
}

} // namespace

std::string simulator::text_of(const simulated_model& model, const chat_request& request,
                               uint32_t choice) const {
  const auto salt = [choice](uint64_t base) { return base + salt_choice * choice; };
  const auto known = book_ ? known_to(*book_, request) : std::nullopt;
  if (!known && book_ && on_unknown_ && !told_.exchange(true))
    on_unknown_(request.user_text);
  if (!known)
    return unknown_prompt_text(model, request, decision(model, request, salt(salt_manner)));
  const auto manner = unit_interval(decision(model, request, salt(salt_manner)));
  const auto accuracy = std::min(1.0, model.accuracy + known->bonus);
  if (manner < model.refusal_rate)
    return "I'm sorry, but I can't help with that request.";
  if (manner < model.refusal_rate + model.format_error_rate)
    return "Let me think about this from several sides. There is more than one way to read the question, and "
           "I "
           "would rather not commit myself to one of them.";
  return std::string(unit_interval(decision(model, request, salt(salt_right))) < accuracy ? known->right
                                                                                          : known->wrong);
}

simulated_choice simulator::answer(const simulated_model& model, const chat_request& request,
                                   uint32_t choice) const {
  simulated_choice out;
  if (calls_tool(request)) {
    out.end = choice_end::tool_call;
    out.tool_name = request.tool_name;
    out.tool_arguments = minimal_instance(request.tool_schema);
    out.tokens = estimate_tokens(out.tool_name) + estimate_tokens(out.tool_arguments);
    return out;
  }
  out.text = text_of(model, request, choice);
  if (request.format != answer_format::text)
    out.text = as_json(request, out.text);
  for (const auto& stop : request.stop)
    if (const auto at = out.text.find(stop); at != std::string::npos) {
      out.text.resize(at);
      out.end = choice_end::stop_sequence;
      out.stop_sequence = stop;
    }
  if (request.max_tokens) {
    if (const auto kept = bytes_of_tokens(out.text, *request.max_tokens); kept < out.text.size()) {
      out.text.resize(kept);
      out.end = choice_end::length;
      out.stop_sequence.clear();
    }
  }
  out.tokens = estimate_tokens(out.text);
  return out;
}

} // namespace assay::mock
