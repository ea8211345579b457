import type { Messages, StateTexts } from './messages';

const reading: StateTexts = {
  idle: '点「开始」后，这里显示患者的画面',
  connecting: '正在连接患者…',
  live: '已接通患者',
  interrupted: '患者的画面断了，正在恢复…',
  offline: '连不上服务器，正在自动重连…',
  unauthorized: '需要登录才能观看',
  forbidden: '此账号无权观看这一路画面',
  absent: '患者还没有进来，进来后会自动显示',
  busy: '这一路画面正被占用，正在重试…',
  unacceptable: '患者的视频格式无法在浏览器里播放',
  server: '服务器暂时无法处理，正在重试…',
  unreachable: '服务器能连上，但音视频被网络挡住了（可能是防火墙），正在重试…',
  lost: '与患者的连接断了，正在重新连接…',
};

const publishing: StateTexts = {
  idle: '未开始',
  connecting: '正在接通…',
  live: '患者可以看到您',
  interrupted: '网络不稳，正在恢复…',
  offline: '连不上服务器，正在自动重连…',
  unauthorized: '需要登录才能接诊',
  forbidden: '此账号无权发送画面',
  absent: '服务器上没有这一路，正在重试…',
  busy: '另一个页面正在使用这一路，正在重试…',
  unacceptable: '服务器不接受这台电脑的视频格式',
  server: '服务器暂时无法处理，正在重试…',
  unreachable: '音视频被网络挡住了（可能是防火墙），正在重试…',
  lost: '连接断了，正在重新连接…',
};

const watching: StateTexts = {
  ...reading,
  idle: '点「开始」观看',
  connecting: '正在连接…',
  live: '正在播放',
  interrupted: '画面断了，正在恢复…',
  absent: '这一路还没有画面，有了会自动显示',
  unacceptable: '这一路的视频格式无法在浏览器里播放',
  lost: '连接断了，正在重新连接…',
};

const sending: StateTexts = {
  ...publishing,
  idle: '点「开始」发送画面',
  live: '正在发送',
  unauthorized: '需要登录才能发送',
};

export const zh: Messages = {
  lang: 'zh-CN',
  title: '视频问诊',
  start: '开始',
  stop: '结束',
  mic: '麦克风',
  camera: '摄像头',
  on: '已开',
  off: '已关',
  soundBlocked: '点这里打开声音',
  you: '我的画面',
  patient: '患者',
  quality: (fps, width, height, kbps) => `${width}×${height} · 每秒 ${fps} 帧 · ${kbps} kbit/s`,
  behind: (seconds) => `比直播晚 ${seconds.toFixed(1)} 秒`,
  reading,
  publishing,
  watching,
  sending,
  asking: '请在浏览器弹出的窗口里允许使用摄像头和麦克风',
  capture: {
    denied: '浏览器没有拿到摄像头和麦克风的权限。请点地址栏左侧的图标，选择「允许」，再点「开始」。',
    missing: '没有找到摄像头或麦克风。插上后会自动继续。',
    inUse: '摄像头或麦克风正被其他程序占用。请关闭那个程序，再点「开始」。',
    insecure: '浏览器只允许 https 页面使用摄像头。请用 https 地址打开本页。',
    unknown: '摄像头或麦克风无法打开。请检查设备后，再点「开始」。',
  },
  signIn: { title: '请登录', user: '用户名', password: '密码', submit: '登录' },
  demo: {
    title: '患者端收到的',
    explain: '模拟患者经 RTMP 收看您的画面，以下由它实测',
    pictures: '画面',
    size: '尺寸',
    sound: '声音',
    delay: '服务器到患者',
    waiting: '还没有收到您的画面',
    silent: '无声',
    unknown: '—',
    perSecond: '帧/秒',
  },
};
