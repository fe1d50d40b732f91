import inspector from 'node:inspector'
const s = new inspector.Session(); s.connect()
await new Promise(r=>s.post('HeapProfiler.startSampling',{samplingInterval:16384,includeObjectsCollectedByMajorGC:true,includeObjectsCollectedByMinorGC:false},r))


process.on('exit',()=>{})
await import('/tmp/wt/reconcile/test/bench/reconcile/run.mjs')
s.post('HeapProfiler.stopSampling',(e,{profile})=>{
  const self=new Map()
  const walk=(n,stack)=>{ const k=`${n.callFrame.functionName||'(anon)'} ${n.callFrame.url.split('/').slice(-2).join('/')}:${n.callFrame.lineNumber}`; self.set(k,(self.get(k)??0)+n.selfSize); n.children.forEach(c=>walk(c)) }
  walk(profile.head)
  console.log([...self].sort((a,b)=>b[1]-a[1]).slice(0,22).map(([k,v])=>`${(v/1e6).toFixed(2)} MB ${k}`).join('\n'))
})
