// test_credential. See credential_check.h.
// Scope: engine.
#include "engine/credential_check.h"

#include "core/error.h"

namespace sequin::engine {
namespace {

// A refusal is an outcome, not an error: the caller asked whether it works.
Json outcome(const Verdict &verdict, const std::string &message, const std::string &account,
             const http::Response &response) {
	Json result = Json::object();
	result.set("status", Json::string(verdict.error_class == ErrorClass::kNone ? "ok" : "error"));
	if (!account.empty())
		result.set("account", Json::string(account));
	if (response.status > 0)
		result.set("http_status", Json::integer(response.status));
	if (verdict.error_class != ErrorClass::kNone) {
		result.set("code", Json::string(verdict.code));
		result.set("message", Json::string(message));
		if (!verdict.hint.empty())
			result.set("hint", Json::string(verdict.hint));
	}
	Json answer = Json::object();
	answer.set("result", result);
	return answer;
}

}  // namespace

void check_credential(House &house, const Manifest &manifest, store::SyncRow row,
                      Requests::Answer answer) {
	if (!manifest.check)
		throw Error("55000",
		            "provider \"" + manifest.provider + "\" names no call that proves a credential",
		            {}, "Create a sync with it, or add \"check\" to the manifest.");
	if (!row.access_error.empty())
		throw Error("55000", "the credential's secret cannot be read", row.access_error);
	for (const SettingSpec &setting : manifest.settings)
		if (setting.has_default)
			row.access.settings.emplace(setting.name, setting.default_value);
	auto call = std::make_unique<Call>();
	call->kind = CallKind::kCheck;
	call->priority = http::Priority::kMutation;
	call->path = manifest.check->path;
	const std::string account_key = row.account;
	const Access access = row.access;
	call->compose = [&manifest, access] {
		CallSpec spec;
		spec.path = manifest.check->path;
		spec.query = &manifest.check->query;
		http::Request request = make_request(manifest, access, spec);
		request.priority = http::Priority::kMutation;
		return request;
	};
	call->done = [&house, &manifest, row = std::move(row), answer](http::Response &&response) {
		store::OpenPage page(manifest, CallKind::kCheck, response, store::check_spec(manifest), "$",
		                     {}, house.now_us());
		Verdict verdict = page.verdict();
		verdict.code = mask_secrets(verdict.code, row.access);
		const bool is_ok = verdict.error_class == ErrorClass::kNone;
		const std::string account = is_ok && !manifest.check->account.empty()
		                                ? page.pick(manifest.check->account)
		                                : std::string();
		const std::string message = mask_secrets(verdict.message, row.access);
		const bool is_verdict = is_ok || verdict.error_class == ErrorClass::kAuthDead ||
		                        verdict.error_class == ErrorClass::kMissingScope;
		if (is_verdict) {
			page.open();
			store::save_credential_facts(
				row.credential, row.credential_revision, account, is_ok ? "ok" : "error",
				is_ok ? std::vector<std::string>() : std::vector<std::string>{message});
			page.commit();
		}
		answer(outcome(verdict, message, account, response));
	};
	house.call(account_key, std::move(call));
}

}  // namespace sequin::engine
