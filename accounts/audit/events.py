"""Every event of the audit: `subject:object:action`, with the words that the account page shows a person.

The Chinese text is the message id of the catalogues, the English text is what the `en` catalogue must say. An event
that is not listed here cannot be appended.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """One kind of event."""

    name: str
    zh: str
    en: str


EVENTS: tuple[Event, ...] = (
    # the person
    Event("person:account:open", "开通了账号", "The account was opened"),
    Event("person:account:disable", "账号被停用", "The account was disabled"),
    Event("person:account:enable", "账号恢复使用", "The account was enabled again"),
    Event("person:account:close", "注销了账号", "The account was closed"),
    Event("person:account:merge", "合并了账号", "Accounts were merged"),
    Event("person:account:separate", "撤销了账号合并", "A merge of accounts was undone"),
    Event("person:identifier:add", "登记了证件", "An identity document was recorded"),
    Event("person:identifier:end", "证件停止使用", "An identity document ended"),
    Event("person:phone:add", "添加了手机号", "A phone was added"),
    Event("person:phone:verify", "验证了手机号", "A phone was verified"),
    Event("person:phone:end", "移除了手机号", "A phone was removed"),
    Event("person:attributes:change", "修改了个人资料", "Personal details were changed"),
    Event("person:evidence:record", "完成了身份核验", "Identity was verified"),
    Event("person:evidence:withdraw", "身份核验被撤销", "An identity check was withdrawn"),
    Event(
        "person:account:forget", "注销满三年，删除了姓名和证件号码", "Name and number were deleted, years after closing"
    ),
    Event("person:restriction:impose", "账号被限制使用", "The account was restricted"),
    Event("person:restriction:lift", "账号解除了限制", "The restriction of the account was lifted"),
    Event("person:restriction:appeal", "对限制提出了申诉", "Appealed against the restriction"),
    Event("person:closing:ask", "申请注销账号", "Asked to close the account"),
    Event("person:closing:cancel", "撤回了注销申请", "Kept the account after all"),
    Event("person:export:download", "下载了自己的全部资料", "Downloaded a copy of everything held"),
    Event("person:correction:ask", "申请更正资料", "Asked for a correction"),
    Event("person:link:dispute", "声明旧系统账号不是自己的", "Said that an older system's account is not theirs"),
    # proving and sessions
    Event("person:password:set", "设置了密码", "A password was set"),
    Event("person:password:change", "修改了密码", "The password was changed"),
    Event("person:password:adopt", "旧系统密码转为统一密码", "An older system's password was taken over"),
    Event("person:password:reset", "重置了密码", "The password was reset"),
    Event(
        "person:recovery:wait", "申请重设密码，等待期满后才能完成", "Asked for a new password, to be set after a wait"
    ),
    Event("person:recovery:cancel", "取消了重设密码的申请", "Cancelled the request for a new password"),
    Event("person:recovery:proof", "重设密码前验证身份", "Proved an identity to set a new password"),
    Event("person:authentication:password", "使用密码登录", "Logged in with a password"),
    Event("person:authentication:sms", "使用短信验证码登录", "Logged in with a text-message code"),
    Event("person:authentication:totp", "使用动态口令验证", "Confirmed with a one-time code"),
    Event("person:authentication:recovery_code", "使用备用码验证", "Confirmed with a recovery code"),
    Event("person:authentication:passkey", "使用通行密钥登录", "Logged in with a passkey"),
    Event("person:authentication:wechat", "使用微信登录", "Logged in with WeChat"),
    Event("person:authentication:alipay", "使用支付宝登录", "Logged in with Alipay"),
    Event("person:authentication:certificate", "使用数字证书登录", "Logged in with a certificate"),
    Event("person:credential:add", "添加了登录方式", "A way to log in was added"),
    Event("person:credential:remove", "移除了登录方式", "A way to log in was removed"),
    Event("person:session:open", "登录成功", "Logged in"),
    Event("person:session:step_up", "完成了加强验证", "Confirmed again for a more sensitive service"),
    Event("person:session:end", "退出了登录", "Logged out"),
    # services
    Event("person:grant:give", "确认向服务提供信息", "Confirmed that a service receives information"),
    Event("person:grant:withdraw", "撤回了对服务的同意", "Withdrew consent for a service"),
    Event("person:refusal:forget", "允许服务再次询问", "Allowed a service to ask again"),
    Event("person:request:approve", "登录了一个服务", "Logged in to a service"),
    Event("person:request:deny", "拒绝了服务的请求", "Refused a service's request"),
    Event("client:token:issue", "服务取得了访问凭证", "A service received a token"),
    Event("client:token:refresh", "服务续用了访问凭证", "A service renewed its token"),
    Event("client:token:revoke", "访问凭证被撤销", "A token was revoked"),
    Event("client:token:replay", "发现重复使用的凭证，已撤销", "A token was used twice and has been revoked"),
    Event("client:claims:release", "服务取得了您的信息", "A service received your information"),
    Event("client:authentication:fail", "服务身份验证失败", "A service failed to authenticate"),
    # organisations
    Event("organisation:account:open", "开通了法人账号", "An organisation's account was opened"),
    Event("organisation:representative:confirm", "登记机关确认了法定代表人", "A legal representative was confirmed"),
    Event("organisation:representative:end", "登记机关变更了法定代表人", "A legal representative was replaced"),
    Event("organisation:delegation:offer", "发出了授权", "A delegation was offered"),
    Event("organisation:delegation:accept", "接受了授权", "A delegation was accepted"),
    Event("organisation:delegation:end", "终止了授权", "A delegation ended"),
    # helpers
    Event("person:helper:offer", "提出了亲友代办", "Asked for help from or for somebody"),
    Event("person:helper:accept", "亲友代办生效", "A helper may act from now on"),
    Event("person:helper:end", "亲友代办结束", "A helper acts no longer"),
    Event("person:helper:act", "亲友代您登录了一个服务", "A helper logged in to a service for you"),
    # staff, by their random key
    Event("staff:authentication:password", "工作人员使用办公账号登录", "A member of staff used the office password"),
    Event("staff:authentication:totp", "工作人员使用动态口令验证", "A member of staff used a one-time code"),
    Event("staff:credential:enrol", "工作人员使用了设置码", "A member of staff used an enrolment code"),
    Event("staff:credential:add", "工作人员设置了验证器应用", "A member of staff set up an authenticator"),
    Event("staff:session:open", "工作人员登录成功", "A member of staff signed in"),
    Event("staff:session:end", "工作人员退出了登录", "A member of staff was signed out"),
    # those who run it
    Event("administrator:staff:enrol", "给工作人员发出了设置码", "An enrolment code for staff was issued"),
    Event("administrator:staff:end_second_factor", "移除了工作人员的验证器应用", "Staff lost an authenticator"),
    Event("administrator:client:create", "登记了接入系统", "A relying system was registered"),
    Event("administrator:client:change", "修改了接入系统", "A relying system was changed"),
    Event("administrator:client:disable", "停用了接入系统", "A relying system was disabled"),
    Event("administrator:client:enable", "恢复了接入系统", "A relying system was enabled again"),
    Event("administrator:client:invite", "发出了接入登记邀请", "An invitation to register a system was made"),
    Event("administrator:secret:rotate", "更换了系统密钥", "A relying system's secret was replaced"),
    Event("administrator:secret:end", "停用了旧的系统密钥", "A relying system's old secret was ended"),
    Event("administrator:keys:rotate", "更换了签名密钥", "The signing keys were rotated"),
    Event("administrator:vault:reseal", "更换了加密密钥", "Sealed data moved to a new key"),
    Event("administrator:schema:change", "变更了数据库结构", "The database's schema was changed"),
    Event("administrator:role:give", "授予了管理角色", "An administrator's role was given"),
    Event("administrator:role:end", "收回了管理角色", "An administrator's role ended"),
    Event("administrator:password_profile:change", "更改了密码规则", "The rules for a password were changed"),
    Event("administrator:person:read", "查看了人员资料", "A person's record was read"),
    Event("administrator:correction:decide", "答复了更正申请", "A request for a correction was answered"),
    Event("administrator:appeal:decide", "答复了申诉", "An appeal was answered"),
    Event("administrator:dispute:decide", "核实了旧系统账号的归属", "It was decided whose an older account is"),
    Event("administrator:releases:read", "查看了向系统提供信息的记录", "Read whom a system was told about"),
    Event("administrator:audit:read", "查看了审计记录", "The audit was read"),
    Event("administrator:audit:verify", "校验了审计记录", "The audit was verified"),
    Event("merge:run:apply", "执行了账号归集", "An account merge was applied"),
    Event("merge:run:undo", "撤销了账号归集", "An account merge was undone"),
    Event("merge:account:link", "关联了旧系统账号", "An older system's account was linked"),
    Event("merge:account:unlink", "取消了旧系统账号关联", "An older system's account was unlinked"),
    Event("clerk:recovery:begin", "窗口读取了证件，申请重设密码", "A counter read the card and began a new password"),
    Event("clerk:recovery:confirm", "另一名工作人员确认了重设密码", "A second clerk confirmed the new password"),
    Event("clerk:person:identify", "窗口核验了身份", "A clerk checked the identity"),
)
